"""Data on this computer: what a file holds, and what a run would make of it."""

import os
from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from orchestrator.api.batches import batches_of
from orchestrator.artifacts.hub import Unread
from orchestrator.artifacts.tokenizer import TokenizerFiles, of_cache, of_folder, of_hub
from orchestrator.errors import SpecError
from orchestrator.spec.data_report import (
    BatchesPart,
    DataReport,
    LengthPart,
    SamplePart,
    SegmentPart,
)
from orchestrator.spec.document import Document
from orchestrator.spec.load import read_stack
from orchestrator.spec.parse import parse_document
from orchestrator.spec.settings import override
from orchestrator.spec.stack import StackSpec
from orchestrator.spec.validate import validate
from orchestrator.stack.secret import login_token
from training.contract.config import Data, ModelConfig, TrainingConfig
from training.contract.counts import DataCounts
from training.contract.errors import ConfigurationError, TrainingError
from training.contract.names import source_of
from training.rows.read import read_rows
from training.rows.row import ends_a_run
from training.texts.example import Sample
from training.texts.split import split
from training.tokens.chunk import Recipe
from training.tokens.encode import Encoder
from training.tokens.look import Look, look
from training.tokens.of_files import encoder_of_files
from training.tokens.rough import RoughEncoder

_NO_STACK = """
apiVersion: sparkctl/v1
kind: Stack
name: none
description: No stack is named.
training:
  model: {name: "builtin:tiny-llama"}
  data: {name: "builtin:instructions"}
"""
_PLAIN = "turns stand between plain marks"
_GLIMPSE = 200
"""Rows that a dry run looks at."""
_NAME, _SOURCES = ("training", "data", "name"), ("training", "data", "sources")
_LEARNED = {
    "text": "answers, not what asks for them; of a plain text, all",
    "marks": "answers, as marks in the model's chat template say",
    "training template": "answers, as trl marks them in the model's chat template",
    "added": "answers: what the chat template adds to the text that asks for one",
    "one by one": "a sample for each answer: the chat template rewrites earlier turns",
}


_Made = Callable[[list[int]], BatchesPart | None]
"""What batches are made of rows of these lengths."""


class _Tokens(NamedTuple):
    """How tokens are counted."""

    encoder: Encoder | RoughEncoder
    whose: str | None
    why_not_exact: str | None


def check(
    file: Path,
    stack: str | None,
    settings: tuple[str, ...],
    environ: Mapping[str, str] = os.environ,
) -> DataReport:
    """Read `file`, or the files of a folder, as a run of `stack` would read them.

    Raises SpecError for what is no file, a stack that is none, and settings that do not fit.
    """
    training = _training(file, stack, settings)
    if stack is None:
        tokens = _Tokens(RoughEncoder(), None, f"no model is named (--stack NAME); {_PLAIN}")
        return _looked_at(str(file), file.parent, training.data, tokens, lambda _: None)
    tokens = _tokens(training, environ, fetch=True)
    made = partial(batches_of, training, sharded=training.parallel.strategy == "sharded")
    return _looked_at(str(file), file.parent, training.data, tokens, made)


def glimpse(
    training: TrainingConfig,
    folder: Path,
    *,
    sharded: bool,
    environ: Mapping[str, str] = os.environ,
) -> DataReport:
    """The first rows of a training's data, which are built in or in `folder`. Fetches nothing.

    `sharded`: the base, over several ranks.
    """
    data = training.data.model_copy(update={"rows": None})
    tokens = _tokens(training, environ, fetch=False)
    made = partial(batches_of, training, sharded=sharded)
    return _looked_at(data.label, folder, data, tokens, made, _GLIMPSE)


def _looked_at(
    name: str, folder: Path, data: Data, tokens: _Tokens, made: _Made, most: int | None = None
) -> DataReport:
    patient = data.model_copy(update={"on_bad_row": "skip"})  # all bad rows are of interest
    try:
        rows = islice(read_rows(patient, folder), most)
        found = look(rows, Recipe(patient, tokens.encoder))
    except TrainingError as unfit:
        return _report(name, data, tokens, None, _as_known_here(unfit))
    report = _report(name, data, tokens, found, _unfit(found, data, whole=most is None))
    return report.model_copy(update={"batches": made(found.lengths.tolist())})


def _training(file: Path, stack: str | None, settings: tuple[str, ...]) -> TrainingConfig:
    if not file.exists():
        raise SpecError(
            f"{file}: there is no such file on this computer",
            resolution="`data check` looks at files and folders here. Data of the Hub are read by "
            "the nodes.",
        )
    document = parse_document(_NO_STACK, source="no stack") if stack is None else read_stack(stack)
    override(document, settings)
    spec = validate(StackSpec, _with_data(document, file))
    if spec.training is None:
        raise SpecError(
            f"{stack}: a stack that starts a script: what data it reads only it knows",
            resolution="Leave --stack out, or name one of another engine.",
        )
    return spec.training


def _with_data(document: Document, file: Path) -> Document:
    if isinstance(document.data, dict) and isinstance(document.data.get("training"), dict):
        document.override(_NAME, f"{file.name}/" if file.is_dir() else file.name, str(file))
        document.remove(_SOURCES)
    return document


def _tokens(training: TrainingConfig, environ: Mapping[str, str], *, fetch: bool) -> _Tokens:
    """With the model's tokenizer, wherever it is found; else about."""
    model = training.model
    try:
        files = _tokenizer_files(model, environ, fetch)
        template = _own_template(training.data) or files.chat_template
        encoder = encoder_of_files(
            files.tokenizer, files.config, files.generation, files.model, template
        )
    except (Unread, ConfigurationError) as reason:
        return _Tokens(RoughEncoder(), None, f"{reason}; {_PLAIN}")
    return _Tokens(encoder, f"{model.name}, from {files.where}", None)


def _own_template(data: Data) -> str | None:
    """`data.chat_template`: a path as the nodes have it. Raises Unread where it is not here."""
    if data.chat_template is None:
        return None
    try:
        return Path(data.chat_template).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise Unread(f"data.chat_template, {data.chat_template}, is not on this computer") from None


def _tokenizer_files(model: ModelConfig, environ: Mapping[str, str], fetch: bool) -> TokenizerFiles:
    match source_of(model.name):
        case "builtin":
            raise Unread(f"{model.name} is made on the nodes")
        case "path":
            return of_folder(Path(model.name))
    try:
        return of_cache(model, environ)
    except Unread:
        if not fetch:
            raise
        return of_hub(model, login_token(environ), environ)


def _as_known_here(unfit: TrainingError) -> TrainingError:
    """A template that is refused here may have a form with marks in trl, which the image has."""
    if unfit.code != "chat_template_unfit" or find_spec("trl") is not None:
        return unfit
    remedy = "trl in the training image may have another form of this template; here is no trl."
    return ConfigurationError(unfit.code, f"not known here: {unfit.message}", remedy)


def _unfit(found: Look, data: Data, *, whole: bool) -> ConfigurationError | None:
    """Why a run would not start with it; `whole`: all rows were looked at."""
    counts = found.counts
    if counts.bad and data.on_bad_row == "stop":
        first = found.first_bad or ConfigurationError("data_invalid", counts.bad_places[0])
        told = f"{counts.bad:,} of {counts.rows:,} rows cannot be used; the first: {first.message}"
        return ConfigurationError(first.code, told, ends_a_run(first).remedy)
    if not counts.sequences:
        return ConfigurationError(
            "data_too_small", "no row has anything to learn", "Is it the right file?"
        )
    if whole and data.evaluation is None:
        try:
            split(range(found.examples), data)
        except ConfigurationError as small:
            return small
    return None


def _report(
    name: str, data: Data, tokens: _Tokens, found: Look | None, unfit: TrainingError | None
) -> DataReport:
    sample = found.sample if found else None
    counts = found.counts if found else DataCounts()
    if tokens.whose is None:  # what no template of a model has read says nothing
        counts = counts.model_copy(update={"unread": ()})
    lengths = sorted(found.lengths.tolist()) if found else []
    return DataReport(
        usable=unfit is None,
        problem=unfit.message if unfit else None,
        remedy=(unfit.remedy or None) if unfit else None,
        data=name,
        kind_of_rows=_kind(sample) if sample else None,
        columns=found.columns if found else (),
        counts=counts,
        exact=tokens.why_not_exact is None,
        tokenizer=tokens.whose,
        not_exact_because=tokens.why_not_exact,
        lengths=_histogram(lengths),
        median=lengths[len(lengths) // 2] if lengths else 0,
        max_length=data.max_length,
        learned_by=_LEARNED[sample.way] if sample else None,
        sample=_part(sample) if sample else None,
    )


def _histogram(lengths: list[int]) -> tuple[LengthPart, ...]:
    """Sorted lengths, by powers of two; from the first that has any to the last."""
    if not lengths:
        return ()
    parts, most, done = list[LengthPart](), 1 << (max(lengths[0], 1) - 1).bit_length(), 0
    while done < len(lengths):
        upto = bisect_right(lengths, most)
        parts.append(LengthPart(tokens_at_most=most, sequences=upto - done))
        most, done = most * 2, upto
    return tuple(parts)


def _kind(sample: Sample) -> str:
    if sample.marked:
        return "conversations"
    return "answers to something" if len(sample.segments) > 1 else "plain texts"


def _part(sample: Sample) -> SamplePart:
    segments = tuple(SegmentPart(text=s.text, learned=s.in_loss) for s in sample.segments)
    return SamplePart(where=sample.where, segments=segments)
