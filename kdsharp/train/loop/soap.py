"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner.

Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", 2024. A network of three
convolutions is a few small matrices, so their curvature costs little beside the convolutions, and
a student gets as far in a quarter of Adam's steps (docs/student.md has what was measured).
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["Soap"]

Tensor = torch.Tensor


class Soap(torch.optim.Optimizer):
    """For weights of any shape: a convolution (O, I, h, w) is seen as a matrix (O, I h w).

    `betas` are the decays of momentum and of curvature; the bases are turned towards the curvature
    every `every` steps; a side longer than `largest` keeps its own axes, because a basis costs the
    cube of it. Biases get plain Adam. The same gradients give the same bytes.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        every: int = 25,
        largest: int = 320,
    ) -> None:
        super().__init__(params, {"lr": lr})
        self.betas, self.eps, self.every, self.largest = betas, eps, every, largest

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step on the current gradients; `closure` is not supported."""
        assert closure is None, "Soap takes no closure"
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._step(p, group["lr"])

    def _step(self, p: Tensor, lr: float) -> None:
        grad = p.grad.reshape(len(p), -1) if p.dim() else p.grad.reshape(1, 1)  # type: ignore[union-attr]
        state = self.state[p]
        if not state:
            self._begin(state, grad)
        state["step"] += 1
        step, (beta1, beta2) = int(state["step"]), self.betas
        for side, square in self._curvature(state, grad):
            state[side].lerp_(square, 1 - beta2)
        state["mean"].lerp_(grad, 1 - beta1)
        state["square"].lerp_(_into(state, grad).square(), 1 - beta2)
        scale = (state["square"] / (1 - beta2**step)).sqrt_().add_(self.eps)
        update = _out_of(state, _into(state, state["mean"] / (1 - beta1**step)) / scale)
        p.add_(update.view_as(p), alpha=-lr)
        if step % self.every == 0:
            _turn(state)

    def _begin(self, state: dict[str, Any], grad: Tensor) -> None:
        state.update(step=0, mean=torch.zeros_like(grad), square=torch.zeros_like(grad))
        if grad.shape[1] == 1:
            return
        for side, length in zip(("rows", "columns"), grad.shape, strict=True):
            if 1 < length <= self.largest:
                state[side] = grad.new_zeros(length, length)
        for side, square in self._curvature(state, grad):
            state[side].copy_(square)
            # In double: one gradient of a trained network is of low rank and tiny, on which
            # eigh in single precision gives up. Most curvature first, the order that turning keeps.
            vectors = torch.linalg.eigh(square.double())[1].flip(1)
            state[f"{side}_basis"] = vectors.to(square.dtype).contiguous()

    def _curvature(self, state: dict[str, Any], grad: Tensor) -> Iterable[tuple[str, Tensor]]:
        if "rows" in state:
            yield "rows", grad @ grad.T
        if "columns" in state:
            yield "columns", grad.T @ grad


def _into(state: dict[str, Any], x: Tensor) -> Tensor:
    """From the weights' own axes to the bases."""
    x = state["rows_basis"].T @ x if "rows" in state else x
    return x @ state["columns_basis"] if "columns" in state else x


def _out_of(state: dict[str, Any], x: Tensor) -> Tensor:
    """From the bases to the weights' own axes."""
    x = state["rows_basis"] @ x if "rows" in state else x
    return x @ state["columns_basis"].T if "columns" in state else x


def _turn(state: dict[str, Any]) -> None:
    """One step of power iteration: the bases move towards the eigenvectors of the curvature."""
    for axis, side in enumerate(("rows", "columns")):
        if side not in state:
            continue
        curvature, basis = state[side], state[f"{side}_basis"]
        order = (basis * (curvature @ basis)).sum(0).argsort(descending=True, stable=True)
        state["square"] = state["square"].index_select(axis, order)
        state[f"{side}_basis"] = torch.linalg.qr(curvature @ basis[:, order])[0]
