.PHONY: check test smoke clean
check:
	ruff check . && ruff format --check . && mypy && python -m pytest -m "not ray and not slow"
test:
	python -m pytest
smoke:
	python search.py --family gaussian --bottleneck td --name smoke --stage1-trials 3 --stage2-trials 2 --set budget.anchors=1 --set budget.confirm_trials=0
clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache *.egg-info
