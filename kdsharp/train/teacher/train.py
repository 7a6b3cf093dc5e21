"""Train a teacher: the truth of all patches, from random weights or ImageNet's."""

import logging

import torch

from kdsharp.errors import UserError
from kdsharp.train.config import UNTRAINED, TeacherConfig
from kdsharp.train.dataset.examples import make_dataset
from kdsharp.train.loop.distributed import DistributedContext
from kdsharp.train.teacher.encoder import imagenet_weights
from kdsharp.train.teacher.local import checked_file
from kdsharp.train.teacher.network import Teacher, load_teacher
from kdsharp.train.training import Lesson, Trained, train

__all__ = ["own_teacher", "pretrained_teacher", "train_teacher"]

log = logging.getLogger(__name__)

SHAPE = ("color", "arch", "depth", "shrink", "width", "num_blocks", "window")
"""What two teachers must have in common, so that one has the other's weights."""


def train_teacher(config: TeacherConfig, lesson: Lesson) -> Trained[Teacher]:
    """A teacher that has learned the truth of all patches.

    Raises `UserError` for ImageNet weights that cannot be had, and as `kdsharp.train.loop.fit.fit`.
    """
    with DistributedContext(config.loop) as workers:
        torch.manual_seed(config.loop.seed)
        # One downloads, the others find the file.
        teacher = workers.first_then_others(lambda: pretrained_teacher(config))
        examples = make_dataset(lesson.train, config.color)
        done = train(teacher, examples, config.color, config.loop, lesson)
        teacher.load_state_dict(done.weights)
        return Trained(teacher.cpu().eval(), done)


def own_teacher(config: TeacherConfig) -> Teacher:
    """The teacher of this project in the file `config.weights`, checked by its SHA-256.

    `UserError` if it holds none, or another than `config` is about: one that sees other colours,
    or, unless it is taken as it is, one of another shape.
    """
    path = checked_file(config)
    teacher = load_teacher(path)
    if not isinstance(teacher, Teacher):
        raise UserError(f"teacher.weights: {path} holds a network for teacher.arch spandrel")
    shape = ("color",) if config.arch in UNTRAINED else SHAPE
    for key in shape:
        theirs, ours = getattr(teacher.config, key), getattr(config, key)
        if theirs != ours:
            raise UserError(
                f"teacher.weights: {path} holds a teacher of {key} {theirs}, but teacher.{key} is "
                f"{ours}: set it to {theirs}"
            )
    return teacher


def pretrained_teacher(config: TeacherConfig) -> Teacher:
    """A fresh teacher; its encoder has ImageNet weights if `config.pretrained`.

    They come from `config.weights` (checked against `weights_sha256`), else from torchvision's
    own loader and cache. If that file holds a teacher of this project, all weights are that one's.
    Raises `UserError` when they cannot be had.
    """
    teacher = Teacher(config)
    if config.pretrained and (config.weights or "").endswith(".safetensors"):
        teacher.load_state_dict(own_teacher(config).state_dict())
        log.info("teacher: it starts from the teacher in %s", config.weights)
        return teacher
    architecture = teacher.architecture
    if architecture is None:
        return teacher
    if not config.pretrained:
        log.info("teacher: the encoder starts from random weights (teacher.pretrained is false)")
        return teacher
    state = imagenet_weights(config, architecture.imagenet)
    try:
        teacher.load_state_dict(architecture.adopt(state, teacher.state_dict()), strict=False)
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        where = config.weights or "torchvision's file"
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{where} does not hold torchvision's {architecture.title} weights ({reason})"
        ) from None
    log.info("teacher: the encoder starts from ImageNet weights")
    return teacher
