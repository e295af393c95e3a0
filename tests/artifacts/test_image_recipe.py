"""What the training image is made of: bytes, and a tag that names them."""

import io
import tarfile

import pytest

from orchestrator.artifacts.image import ImageRecipe, image_recipe
from orchestrator.engines.torch.image import contents
from orchestrator.spec.load import load_stack


def packages(recipe: ImageRecipe) -> list[str]:
    """What is installed besides what every training needs."""
    with tarfile.open(fileobj=io.BytesIO(recipe.context)) as archive:
        file = archive.extractfile("packages.txt")
        assert file is not None
        return [line.partition("==")[0] for line in file.read().decode().splitlines()]


def test_the_same_sources_are_the_same_image() -> None:
    assert image_recipe("base", contents()) == image_recipe("base", contents())
    assert image_recipe("base", contents()).tag != image_recipe("other", contents()).tag


@pytest.mark.parametrize(
    ("trackers", "expected"),
    [
        ((), []),
        (("wandb",), ["wandb"]),
        (("mlflow",), ["mlflow-skinny"]),
        (("wandb", "trackio"), ["trackio", "wandb"]),
    ],
)
def test_only_the_named_trackers_are_put_in(trackers: tuple[str, ...], expected: list[str]) -> None:
    training = load_stack("tiny-llama-lora", (f"training.tracking.to={list(trackers)}",)).training
    recipe = image_recipe("base", contents(training))
    assert packages(recipe) == expected
    assert (recipe.tag == image_recipe("base", contents()).tag) == (not trackers)


@pytest.mark.parametrize(
    ("kernels", "expected"),
    [("plain", []), ("compiled", []), ("liger", ["liger-kernel"]), ("fla", ["fla-core"])],
)
def test_only_the_named_kernels_are_put_in(kernels: str, expected: list[str]) -> None:
    training = load_stack("tiny-llama-lora", (f"training.loop.kernels={kernels}",)).training
    assert packages(image_recipe("base", contents(training))) == expected
