"""Settings from the environment: `--help` explains all, a wrong one ends the start with its name."""

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from servicekit.settings import ServiceSettings, parse_settings


class SampleSettings(ServiceSettings):
    """Settings of no real service."""

    model_config = SettingsConfigDict(env_prefix="SAMPLE_")

    store_url: str = Field(description="Where the store is.")
    roots: list[str] = Field(default_factory=list, description="Directories to read.")


def parse(monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str) -> SampleSettings:
    monkeypatch.setattr("sys.argv", ["sample", *arguments])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return parse_settings(SampleSettings, "sample", "A sample service.")


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parse(monkeypatch, SAMPLE_STORE_URL="redis://x", SAMPLE_PORT="81", SAMPLE_ROOTS='["/a", "/b"]')
    assert (settings.store_url, settings.port, settings.roots) == ("redis://x", 81, ["/a", "/b"])
    assert settings.host == "127.0.0.1"


def test_help_explains_every_setting(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(monkeypatch, "--help")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for name, field in SampleSettings.model_fields.items():
        assert f"  SAMPLE_{name.upper()}\n      {field.description} (" in shown
    assert "Where the store is. (required)" in shown
    assert "(default '127.0.0.1')" in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAMPLE_PORT", "70000"),
        ("SAMPLE_PORT", "eighty"),
        ("SAMPLE_LOG_LEVEL", "loud"),
        ("SAMPLE_LOG_FORMAT", "xml"),
        ("SAMPLE_ROOTS", "/a,/b"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(monkeypatch, **{"SAMPLE_STORE_URL": "redis://x", name: value})
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sample: {name}: ")
    assert line.endswith("See `python -m sample --help`.")
    assert value not in line


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(monkeypatch)
    assert capsys.readouterr().err.startswith("sample: SAMPLE_STORE_URL: Field required.")


def test_an_unknown_argument_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(monkeypatch, "--port", "80", SAMPLE_STORE_URL="redis://x")
    assert ended.value.code == 2
