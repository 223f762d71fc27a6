#!/usr/bin/env bash
# A search as a SLURM job. From the root of a checkout, on the login node:
#
#     python3 -m venv .venv && .venv/bin/pip install -e .
#     sbatch clusters/slurm.sh --family gaussian --storage-path "$SCRATCH/studies"
#
# Flags behind the script's name go to search.py. The first node of the job is Ray's head and the
# driver; every node runs trials. The checkout and --storage-path must be on a file system that all
# nodes mount. A job that reaches its time limit is sent SIGINT two minutes before, records what it
# has and ends; submit the same line again to go on. Ray lets in only who has the token in
# ~/.ray/auth_token, made here if missing: the home, too, must be one that all nodes mount. It
# encrypts nothing; the dashboard is off. Change nodes, GPUs, time and partition below.
#SBATCH --job-name=prior-search
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --time=24:00:00
#SBATCH --signal=B:INT@120
#SBATCH --open-mode=append
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:?run this with sbatch}"
# shellcheck disable=SC1091
source .venv/bin/activate
(umask 077 && ray get-auth-token --generate > /dev/null)
# a local `ray.init` makes one that others can read
if [ -f ~/.ray/auth_token ]; then chmod 600 ~/.ray/auth_token; fi
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 OMP_NUM_THREADS=1

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
head_ip=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 20000)) # jobs of several users may share a node
cpus=${SLURM_CPUS_PER_TASK:-1}
gpus=${SLURM_GPUS_ON_NODE:-0}

echo "head: $head ($head_ip:$port), workers: ${nodes[*]:1}"
srun --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --node-ip-address="$head_ip" --port="$port" --include-dashboard=false \
    --num-cpus="$cpus" --num-gpus="$gpus" --block &
for node in "${nodes[@]:1}"; do
    srun --nodes=1 --ntasks=1 --nodelist="$node" \
        ray start --address="$head_ip:$port" --num-cpus="$cpus" --num-gpus="$gpus" --block &
done

export RAY_ADDRESS="$head_ip:$port"
# the launcher says nothing when a node does not come up: count them, for five minutes at most
for _ in $(seq 30); do
    if prior-search doctor --expect-nodes "${#nodes[@]}" > doctor.log 2>&1; then break; fi
    sleep 10
done
cat doctor.log

python search.py "$@" &
driver=$!
trap 'kill -INT "$driver"' INT
code=0
wait "$driver" || code=$?
if [ "$code" -gt 128 ]; then wait "$driver" || code=$?; fi # the wait was interrupted, not the driver
exit "$code"
