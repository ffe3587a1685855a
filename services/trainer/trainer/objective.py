"""The loss of a micro-batch: clipped policy gradient, corrected for its source, and the optional regularisers.

Axes: N student tokens.
"""

from contracts.jobs import TrainingSpec
from torch import Tensor

from trainer.diagnostics import Seen
from trainer.importance import importance_weights
from trainer.loss import KL_LOSSES, TokenLoss, k3, policy_gradient
from trainer.microbatches import MicroBatch


def objective(
    micro: MicroBatch, logprobs_N: Tensor, entropy_N: Tensor, distilled: TokenLoss | None, spec: TrainingSpec
) -> tuple[Tensor, Seen]:
    """The loss summed over the tokens (with gradient), and what one watches.

    Per token: from_rewards or, where there is a teacher, `distilled`; plus kl_coefficient * KL(pi || pi_base), less
    entropy_coefficient * entropy.
    """
    importance_N, capped_N = None, None
    if distilled is None:
        clipped, importance_N, capped_N = from_rewards(micro, logprobs_N, spec)
    else:
        clipped = distilled
    loss_N = clipped.loss_N if importance_N is None else clipped.loss_N * importance_N
    reference_N = micro.reference_logprobs_N
    if spec.kl_coefficient and reference_N is not None:
        loss_N = loss_N + spec.kl_coefficient * KL_LOSSES[spec.kl_estimator](logprobs_N, reference_N)
    if spec.entropy_coefficient:
        loss_N = loss_N - spec.entropy_coefficient * entropy_N
    loss = loss_N.sum() if micro.weights_N is None else (loss_N * micro.weights_N).sum()
    seen = Seen(
        loss=float(loss.detach()),
        logprobs_N=logprobs_N.detach(),
        entropy_N=entropy_N.detach(),
        clipped_N=clipped.clipped_N,
        reference_kl_N=None if reference_N is None else k3(logprobs_N.detach(), reference_N),
        importance_N=importance_N,
        capped_N=capped_N,
    )
    return loss, seen


def from_rewards(
    micro: MicroBatch, logprobs_N: Tensor, spec: TrainingSpec
) -> tuple[TokenLoss, Tensor | None, Tensor | None]:
    """PPO(pi / pi_old), the importance weight w that it is to be multiplied by, and where a cap changed w.

    Without importance correction the old policy is the one that sampled, as the engine told it, and there is no w.
    With it the old policy is the trainer's own at the start of the batch, and w carries it from the sampling policy to
    the old one.
    """
    old_N, importance_N, capped_N = micro.sampling_logprobs_N, None, None
    if spec.importance != "none":
        old_N = logprobs_N.detach() if micro.old_logprobs_N is None else micro.old_logprobs_N
        importance_N, capped_N = importance_weights(
            spec.importance, old_N, micro.sampling_logprobs_N, spec.importance_cap
        )
    clipped = policy_gradient(logprobs_N, old_N, micro.advantages_N, spec.clip_low, spec.clip_high)
    return clipped, importance_N, capped_N
