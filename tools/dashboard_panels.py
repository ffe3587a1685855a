"""What the three dashboards show: data, no drawing. `tools/dashboards.py` makes Grafana's JSON of it."""

from dataclasses import dataclass, field

WIDE, HALF, THIRD = 24, 12, 8


@dataclass(frozen=True)
class Panel:
    """A chart of several series; `series` maps each PromQL expression to its legend."""

    title: str
    meaning: str
    series: dict[str, str]
    unit: str = "short"
    span: int = HALF
    bounds: tuple[float | None, float | None] = (None, None)
    stacked: bool = False


@dataclass(frozen=True)
class Row:
    title: str
    panels: list[Panel]


@dataclass(frozen=True)
class Dashboard:
    """`uid` is the JSON file's name and the last part of the address in Grafana."""

    uid: str
    title: str
    meaning: str
    rows: list[Row] = field(default_factory=list)


RATIO = (0.0, 1.0)
POSITIVE = (0.0, None)

TRAINING = Dashboard(
    "training",
    "SocraticPO training",
    "The paper's Fig. 3 live: does the student learn to solve alone?",
    [
        Row(
            "Accuracy",
            [
                Panel(
                    "Accuracy of the training batches",
                    "Unassisted: the first attempt alone. Guided: within K attempts. The teacher adds the distance.",
                    {"socratic_unassisted_accuracy_ratio": "unassisted", "socratic_guided_accuracy_ratio": "guided"},
                    "percentunit",
                    bounds=RATIO,
                ),
                Panel(
                    "Accuracy on held-out questions",
                    "Of the last evaluation; it moves only when the job evaluates.",
                    {
                        "socratic_held_out_unassisted_accuracy_ratio": "unassisted",
                        "socratic_held_out_guided_accuracy_ratio": "guided",
                    },
                    "percentunit",
                    bounds=RATIO,
                ),
            ],
        ),
        Row(
            "Reward and decay",
            [
                Panel(
                    "Reward",
                    "Mean over attempts, before and after decay.",
                    {"socratic_reward_raw_mean": "raw", "socratic_reward_decayed_mean": "decayed"},
                    span=THIRD,
                ),
                Panel(
                    "Decay factor by attempt",
                    "What a success at each attempt earns; that of the second is mu.",
                    {"socratic_attempt_decay_factor_ratio": "attempt {{attempt}}"},
                    "percentunit",
                    THIRD,
                    RATIO,
                ),
                Panel(
                    "Advantage by attempt",
                    "Mean over tokens. Later successes should earn less than early ones.",
                    {
                        'socratic_attempt_advantage_mean{outcome!="any"}': "attempt {{attempt}}, {{outcome}}",
                    },
                    span=THIRD,
                ),
            ],
        ),
        Row(
            "Health of the update",
            [
                Panel(
                    "Entropy",
                    "Mean over student tokens. A fall to nothing ends exploration.",
                    {"socratic_entropy_nats": "entropy"},
                    span=THIRD,
                    bounds=POSITIVE,
                ),
                Panel(
                    "Gap between engine and trainer",
                    "Absolute difference of log-probabilities with the same weights. Alert above a mean of 0.01.",
                    {"socratic_logprob_gap_mean_nats": "mean", "socratic_logprob_gap_max_nats": "largest"},
                    span=THIRD,
                    bounds=POSITIVE,
                ),
                Panel(
                    "KL and clipping",
                    "k3 estimates per token; the share of tokens that the clip held.",
                    {
                        "socratic_sampling_kl_nats": "KL to the sampling policy",
                        "socratic_reference_kl_nats": "KL to the base",
                        "socratic_clip_fraction_ratio": "clipped",
                    },
                    span=THIRD,
                ),
                Panel(
                    "Gradient norm and loss",
                    "Before clipping; the loss of a policy gradient need not fall.",
                    {"socratic_gradient_norm": "gradient norm", "socratic_training_loss": "loss"},
                    span=THIRD,
                ),
                Panel(
                    "Batches without a gradient",
                    "Cold: nothing was earned. Zero gradient: no token had an advantage.",
                    {
                        "increase(socratic_cold_batches_total[5m])": "cold",
                        "increase(socratic_zero_gradient_batches_total[5m])": "zero gradient",
                    },
                    span=THIRD,
                    bounds=POSITIVE,
                ),
                Panel(
                    "Answers in form",
                    "Share of attempts that a verifier can read.",
                    {"socratic_format_ratio": "in form"},
                    "percentunit",
                    THIRD,
                    RATIO,
                ),
            ],
        ),
    ],
)

TEACHERS = Dashboard(
    "teachers",
    "SocraticPO teachers",
    "What guidance costs, how long it takes, who gives it, and whether it gives answers away.",
    [
        Row(
            "Money",
            [
                Panel(
                    "Spend since the gateway started",
                    "By provider; exact sums of jobs are in GET /v1/jobs.",
                    {"sum by (provider) (socratic_guidance_spend_usd_total)": "{{provider}}"},
                    "currencyUSD",
                    THIRD,
                    POSITIVE,
                ),
                Panel(
                    "Spend an hour",
                    "At the rate of the last five minutes.",
                    {"sum by (provider) (rate(socratic_guidance_spend_usd_total[5m])) * 3600": "{{provider}}"},
                    "currencyUSD",
                    THIRD,
                    POSITIVE,
                ),
                Panel(
                    "Budget of the running job",
                    "The tightest cap, calls in flight included. Empty without a budget.",
                    {"socratic_budget_used_ratio": "used"},
                    "percentunit",
                    THIRD,
                    RATIO,
                ),
            ],
        ),
        Row(
            "Calls",
            [
                Panel(
                    "Guidance a second",
                    "By provider.",
                    {"socratic:guidance:rate1m": "{{provider}}"},
                    "reqps",
                    THIRD,
                    POSITIVE,
                ),
                Panel(
                    "Outcomes",
                    "complete, truncated, replayed, or the code of the problem.",
                    {"sum by (outcome) (rate(socratic_guidance_total[1m]))": "{{outcome}}"},
                    "reqps",
                    THIRD,
                    POSITIVE,
                    stacked=True,
                ),
                Panel(
                    "Failed and replayed share",
                    "Of the last five minutes. Replayed: from a cassette, without a call.",
                    {
                        "socratic:guidance_errors:ratio5m": "failed",
                        "socratic:guidance_replayed:ratio5m": "from the cassette",
                    },
                    "percentunit",
                    THIRD,
                    RATIO,
                ),
                Panel(
                    "Latency",
                    "Of one guidance, retries included.",
                    {
                        "histogram_quantile(0.5, sum by (provider, le) (rate(socratic_guidance_seconds_bucket[5m])))": (
                            "{{provider}}, median"
                        ),
                        "socratic:guidance_seconds:p95_5m": "{{provider}}, 95 %",
                    },
                    "s",
                    THIRD,
                    POSITIVE,
                ),
                Panel(
                    "Rungs",
                    "Who of a ladder gave the guidance.",
                    {"sum by (rung) (rate(socratic_guidance_rungs_total[1m]))": "{{rung}}"},
                    "reqps",
                    THIRD,
                    POSITIVE,
                    stacked=True,
                ),
                Panel(
                    "Tokens a second",
                    "The provider's own count.",
                    {"sum by (kind) (rate(socratic_guidance_tokens_total[1m]))": "{{kind}}"},
                    span=THIRD,
                    bounds=POSITIVE,
                ),
            ],
        ),
        Row(
            "Limits and leaks",
            [
                Panel(
                    "Waiting for rate limits",
                    "95 % of the calls waited less than this.",
                    {
                        "histogram_quantile(0.95, sum by (provider, le) "
                        "(rate(socratic_teacher_limit_wait_seconds_bucket[5m])))": "{{provider}}"
                    },
                    "s",
                    THIRD,
                    POSITIVE,
                ),
                Panel(
                    "Refused by rate limits",
                    "Calls that would not have been let through before their deadline.",
                    {"sum by (provider) (increase(socratic_teacher_rate_limited_total[5m]))": "{{provider}}"},
                    span=THIRD,
                    bounds=POSITIVE,
                ),
                Panel(
                    "Leaks",
                    "Share of judged guidance that gave the answer away, and by which rule it was found.",
                    {
                        "socratic:guidance_leaks:ratio15m": "all",
                        'sum by (rule) (increase(socratic_guidance_judged_total{rule!="none"}[15m])) '
                        "/ scalar(sum(increase(socratic_guidance_judged_total[15m])))": "{{rule}}",
                    },
                    "percentunit",
                    THIRD,
                    RATIO,
                ),
            ],
        ),
    ],
)
