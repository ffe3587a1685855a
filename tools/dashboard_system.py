"""What the System dashboard shows: where time, memory and queues go."""

from dashboard_panels import POSITIVE, RATIO, THIRD, Dashboard, Panel, Row

SYSTEM = Dashboard(
    "system",
    "SocraticPO system",
    "Is everything up, what does it wait for, and where do time and memory go?",
    [
        Row(
            "Throughput",
            [
                Panel(
                    "Episodes a second",
                    "Over all rollout workers.",
                    {"socratic:episodes:rate1m": "{{purpose}}"},
                    span=THIRD,
                    bounds=POSITIVE,
                ),
                Panel(
                    "Student tokens a second",
                    "As the workers received them, as the trainer trained them.",
                    {
                        "sum(socratic:student_tokens:rate1m)": "sampled",
                        "socratic_student_tokens_per_second": "trained, over the step",
                        "socratic_update_tokens_per_second": "trained, over the update",
                    },
                    span=THIRD,
                    bounds=POSITIVE,
                ),
                Panel(
                    "Engine",
                    "SGLang's own names; the CPU engine has them too.",
                    {
                        "sum(sglang:num_running_reqs)": "running requests",
                        "sum(sglang:num_queue_reqs)": "waiting requests",
                        "sum(sglang:gen_throughput)": "tokens a second",
                    },
                    span=THIRD,
                    bounds=POSITIVE,
                ),
            ],
        ),
        Row(
            "A step",
            [
                Panel(
                    "Phases",
                    "Of the last step. `wait` is the time without enough episodes.",
                    {'socratic_trainer_phase_seconds{phase=~"wait|update|checkpoint|publish"}': "{{phase}}"},
                    "s",
                    THIRD,
                    POSITIVE,
                    stacked=True,
                ),
                Panel(
                    "Step and steps an hour",
                    "From the manifest's opening to the published policy.",
                    {
                        "socratic_training_step_seconds": "seconds of the last step",
                        "rate(socratic_training_steps_total[5m]) * 3600": "steps an hour",
                    },
                    span=THIRD,
                    bounds=POSITIVE,
                ),
                Panel(
                    "Episodes: time to make one",
                    "Median and 95 %.",
                    {
                        "histogram_quantile(0.5, sum by (le) (rate(socratic_episode_seconds_bucket[5m])))": "median",
                        "histogram_quantile(0.95, sum by (le) (rate(socratic_episode_seconds_bucket[5m])))": "95 %",
                    },
                    "s",
                    THIRD,
                    POSITIVE,
                ),
            ],
        ),
        Row(
            "Queues and versions",
            [
                Panel(
                    "Queues",
                    "Chunks that no worker has, episodes in flight, episodes in no checkpoint yet.",
                    {
                        "socratic_rollout_queue_chunks": "chunks waiting",
                        "sum(socratic_episodes_in_flight)": "episodes in flight",
                        "socratic_trainer_backlog_episodes": "episodes not yet in a checkpoint",
                    },
                    span=THIRD,
                    bounds=POSITIVE,
                ),
                Panel(
                    "Staleness",
                    "Policy versions between sampling and training, of the last batch.",
                    {
                        "socratic_staleness_mean_versions": "mean over tokens",
                        "socratic_staleness_max_versions": "largest",
                        "socratic_staleness_bound_versions": "allowed",
                    },
                    span=THIRD,
                    bounds=POSITIVE,
                ),
                Panel(
                    "Weight swaps",
                    "The last version's swap and its phases; swaps that were not proved; replicas that may sample.",
                    {
                        "socratic_weight_swap_seconds": "seconds",
                        "socratic_weight_swap_phase_seconds": "{{phase}}",
                        "socratic_replicas_in_rotation": "replicas that may sample",
                        "increase(socratic_weight_swap_failures_total[10m])": "failures in ten minutes",
                    },
                    span=THIRD,
                    bounds=POSITIVE,
                ),
            ],
        ),
        Row(
            "Machines",
            [
                Panel(
                    "Services up",
                    "Processes that answer Prometheus.",
                    {"sum by (job) (up)": "{{job}}"},
                    span=THIRD,
                    bounds=POSITIVE,
                ),
                Panel(
                    "Memory",
                    "Resident, by service; what Redis holds; the trainer's largest so far.",
                    {
                        "sum by (job) (process_resident_memory_bytes)": "{{job}}",
                        "socratic_redis_memory_bytes": "redis",
                        "socratic_trainer_memory_peak_bytes": "trainer, largest",
                    },
                    "bytes",
                    THIRD,
                    POSITIVE,
                ),
                Panel(
                    "Processor",
                    "Cores in use.",
                    {"sum by (job) (rate(process_cpu_seconds_total[1m]))": "{{job}}"},
                    span=THIRD,
                    bounds=POSITIVE,
                ),
                Panel(
                    "Free disk",
                    "Of checkpoints and policies. Alert below a tenth.",
                    {"socratic:data_free:ratio": "free"},
                    "percentunit",
                    THIRD,
                    RATIO,
                ),
                Panel(
                    "Answers of the services",
                    "95 % of the requests took less than this.",
                    {"socratic:http_request_seconds:p95_5m": "{{service}}"},
                    "s",
                    THIRD,
                    POSITIVE,
                ),
                Panel(
                    "Healing",
                    "Chunks handed out again because their worker was lost; jobs by status.",
                    {
                        "sum(increase(socratic_chunks_redispatched_total[10m]))": "chunks again",
                        "socratic_jobs > 0": "{{status}}",
                    },
                    span=THIRD,
                    bounds=POSITIVE,
                ),
            ],
        ),
    ],
)
