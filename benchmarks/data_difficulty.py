"""How hard is a data set? Linear probes on raw pixels and on a trained model's codes.

    python benchmarks/data_difficulty.py DATA.arrow [MODEL.safetensors]

Probes are multinomial logistic regressions, trained on frames of training instances and scored on
those of held-out instances; their regularization is chosen on a fifth of the training instances.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from prior_search.data import ObjectTracks, open_tracks
from prior_search.model_file import load_model

STRENGTHS = (1e-3, 1e-2, 1e-1)
FRAMES = 4  # per instance: enough for a probe, and quick


def chosen_frames(tracks: ObjectTracks) -> np.ndarray:
    return np.concatenate([np.arange(o, o + FRAMES) for o in tracks.offsets[:-1]])


@torch.no_grad()
def codes(tracks: ObjectTracks, frames: np.ndarray, model_path: Path) -> np.ndarray:
    model, _ = load_model(model_path, device="cpu")
    found = []
    for part in np.array_split(frames, 20):
        images, fovea = torch.from_numpy(tracks.gather(part)), torch.from_numpy(tracks.fovea[part])
        encoded = model.encode(images, fovea, generator=None).codes
        found.append(encoded.prefix(encoded.num_tokens).flatten(1).numpy())
    return np.concatenate(found)


def accuracy(
    features: np.ndarray, labels: np.ndarray, instance: np.ndarray, held_out: np.ndarray
) -> float:
    scaler = StandardScaler().fit(features[~held_out])
    features = scaler.transform(features)
    inner = ~held_out & (instance % 5 != 0)
    tuning = ~held_out & (instance % 5 == 0)

    def fitted(strength: float, rows: np.ndarray) -> LogisticRegression:
        return LogisticRegression(C=strength, max_iter=200).fit(features[rows], labels[rows])

    best = max(STRENGTHS, key=lambda c: fitted(c, inner).score(features[tuning], labels[tuning]))
    return float(fitted(best, ~held_out).score(features[held_out], labels[held_out]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path, nargs="?")
    options = parser.parse_args()
    tracks = open_tracks(options.data)
    frames = chosen_frames(tracks)
    pixels = tracks.gather(frames).reshape(len(frames), -1).astype(np.float32)
    # 256 components keep nearly all of the pixels' variance and make the probes quick
    sets = {"raw pixels": PCA(256, random_state=0).fit_transform(pixels)}
    if options.model is not None:
        codes_found = codes(tracks, frames, options.model)
        size = min(256, codes_found.shape[1])
        sets["trained codes"] = PCA(size, random_state=0).fit_transform(codes_found)
    held_out, instance = tracks.is_validation[frames], tracks.instance[frames]
    for level, name in enumerate(tracks.level_names):
        labels = tracks.labels[frames, level]
        counts = np.bincount(labels[~held_out])
        chance = np.bincount(labels[held_out])[counts.argmax()] / held_out.sum()
        shown = [f"{n} {accuracy(x, labels, instance, held_out):.1%}" for n, x in sets.items()]
        print(f"{name} ({len(counts)} classes): largest class {chance:.1%}, {', '.join(shown)}")


if __name__ == "__main__":
    main()
