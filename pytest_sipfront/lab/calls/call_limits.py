"""What a test may ask for: so many calls, and addresses that the lab file allows."""

from __future__ import annotations

from pytest_sipfront.lab.file.calls_section import CallPlan
from pytest_sipfront.lab.file.steps import Action, CallAction, RegisterAction, Steps


class LimitError(ValueError):
    """A test asks for more than the lab file allows. The text has what was asked for, and the limit."""


def check_limits(steps: Steps, plan: CallPlan) -> None:
    """Return if the steps keep to the limits.

    Raises:
        LimitError: They do not.
    """
    for number, actions in enumerate(steps):
        for place, action in enumerate(actions):
            _check(f"step.{number}.{place}", action, plan)


def _check(where: str, action: Action, plan: CallPlan) -> None:
    limits = plan.limits
    if isinstance(action, CallAction) and action.concurrent_calls > limits.concurrent_calls:
        raise LimitError(
            f"{where}.concurrent_calls asks for {action.concurrent_calls} calls at a time; "
            f"limits.concurrent_calls is {limits.concurrent_calls}"
        )
    if isinstance(action, CallAction) and action.max_total_calls > limits.calls_per_run:
        raise LimitError(
            f"{where}.max_total_calls asks for {action.max_total_calls} calls; "
            f"limits.calls_per_run is {limits.calls_per_run}"
        )
    if isinstance(action, RegisterAction) and not plan.may_reach(action.registrar):
        raise LimitError(
            f"{where}.registrar is {action.registrar}, which is not on this machine; the lab registers elsewhere only "
            "at a target that the file allows by 'allow_remote: true'"
        )
