"""`python -m student_inference.teacher_launcher`: starts vLLM's OpenAI server as a teacher, watches and restarts it."""

from servicekit.settings import parse_settings

from student_inference.launch_plan import TeacherLauncherSettings, vllm_command, vllm_environment
from student_inference.launcher import run
from student_inference.supervised import Supervised

PURPOSE = "Starts and watches vLLM's OpenAI server, with arguments for this model and machine."


def main() -> None:
    settings = parse_settings(TeacherLauncherSettings, "student_inference.teacher_launcher", PURPOSE)
    run(settings, lambda settings: Supervised(vllm_command(settings), vllm_environment(settings)))


if __name__ == "__main__":
    main()
