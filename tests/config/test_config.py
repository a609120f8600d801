"""Configuration: defaults, TOML, presets, and answers to mistakes."""

import tomllib

import pytest

from slrcli.config import PRESETS, Config, help_of, merge, resolve, to_toml, toml_text
from slrcli.config.values import CAME_LATER, RETIRED, as_begun
from slrcli.errors import UsageError
from slrcli.models.registry import read_options


def test_toml_round_trip_keeps_every_value():
    config = resolve({"optim": {"lr": 1e-3}, "model": {"options": {"width": 96}}}, "forerunner")
    assert Config.from_dict(tomllib.loads(to_toml(config))) == config


def test_toml_shows_nothing_that_would_steer_a_terminal_and_is_read_back_as_it_was():
    text = "".join(map(chr, range(0x300))) + "\u061c\u200b\u200f\u202e\u2066\ufeff\u3000\U000e0041 \U0001f600"
    values = {"data": {"data_dir": text, text: [text, 1.5]}, "run": {"seed": 3}}
    written = toml_text(values)
    assert tomllib.loads(written) == values
    assert written.replace("\n", "").isprintable() and "\u00e9" in written and "\U0001f600" in written


def test_later_sources_win(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text("[optim]\nlr = 0.002\nepochs = 7\n")
    config = resolve({"optim": {"epochs": 9}}, "forerunner", file)
    assert (config.optim.lr, config.optim.epochs, config.model.arch) == (0.002, 9, "mobilenetv3")


def test_the_documented_defaults_of_training_stand():
    optim = Config().optim
    assert (optim.lr, optim.weight_decay, optim.batch_size, optim.epochs) == (2e-3, 1e-4, 4, 40)
    assert (optim.warmup_epochs, Config().model.dropout) == (1.0, 0.2)
    theirs = resolve(preset="forerunner").optim
    assert (theirs.lr, theirs.weight_decay, theirs.batch_size, theirs.epochs) == (3e-4, 1e-4, 4, 100)
    assert (theirs.warmup_epochs, theirs.ema) == (5.0, 0.0)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"optim": {"lrr": 1.0}}, "Did you mean 'lr'?"),
        ({"optin": {"lr": 1.0}}, "Did you mean 'optim'?"),
        ({"optim": {"lr": "fast"}}, "Expected float"),
        ({"optim": {"epochs": 1.5}}, "Expected int"),
        ({"augment": {"resample": [1.0]}}, "Expected 2 values"),
        ({"optim": 3}, "must be a section"),
        ({"run": {"gradient_checkpointing": 1}}, "Expected bool"),
    ],
)
def test_mistakes_are_answered_with_what_is_wrong(sections, said):
    with pytest.raises(UsageError) as caught:
        merge(Config(), sections, "x.toml")
    assert said in str(caught.value) and "x.toml" in str(caught.value)


def test_unknown_preset_names_the_nearest():
    with pytest.raises(UsageError, match="forerunner"):
        resolve({}, "forerunnr")


def test_broken_toml_says_where(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text("[optim\n")
    with pytest.raises(UsageError, match="line 1"):
        resolve({}, file=file)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_hold_only_known_settings(name):
    assert resolve({}, name) != Config()


def test_help_shows_text_and_default():
    assert help_of("optim.lr") == ("Peak learning rate of AdamW.", 2e-3)


def test_assignments_reach_nested_settings_and_win():
    texts = ["model.options.width=128", "model.options.frontend.derivatives=0", "optim.schedule=linear"]
    config = resolve({"optim": {"schedule": "constant"}}, assignments=[*texts, "augment.resample=[1.0, 1.0]"])
    assert config.model.options == {"width": 128, "frontend": {"derivatives": 0}}
    assert config.optim.schedule == "linear" and config.augment.resample == (1.0, 1.0)


@pytest.mark.parametrize("text", ["lr=1", "optim.lr", "=3", "optim.=3"])
def test_an_assignment_without_section_or_value_is_refused(text):
    with pytest.raises(UsageError, match=r"section\.key=value"):
        resolve({}, assignments=[text])


@pytest.mark.parametrize("name", RETIRED)
def test_settings_that_were_removed_are_refused_where_they_are_on_and_passed_over_where_they_are_off(name, tmp_path):
    section, key = name.split(".")
    assert not hasattr(getattr(Config(), section), key)
    off, on = RETIRED[name].off, RETIRED[name].off + 0.5
    file = tmp_path / "old.toml"
    file.write_text(f"[optim]\nepochs = 7\n\n[{section}]\n{key} = {off}\n" if section != "optim" else
                    f"[optim]\nepochs = 7\n{key} = {off}\n")  # fmt: skip
    assert resolve(file=file) == resolve({"optim": {"epochs": 7}})
    for asked in ({"assignments": [f"{name}={on}"]}, {"overrides": {section: {key: on}}}):
        with pytest.raises(UsageError, match=f"'{name}' was removed"):
            resolve(**asked)
    # what was trained with it is used as before
    assert Config.from_dict({section: {key: on}}, trained=True) == Config.from_dict({}, trained=True)


def test_settings_that_were_renamed_are_read_under_their_new_names(tmp_path):
    file = tmp_path / "old.toml"
    file.write_text('[optim]\naverage = 0.5\n\n[model]\narch = "conv-bilstm"\noptions.halvings = 1\n')
    config = resolve(file=file)
    assert config.optim.ema == 0.5
    assert config.model.options == {"strides": 1}
    assert read_options("ensemble", {"halvings": 1}).strides == 1


@pytest.mark.parametrize("name", CAME_LATER)
def test_what_was_trained_before_there_was_a_setting_is_used_as_it_was_trained(name):
    section, key = name.split(".")
    before = CAME_LATER[name]
    told = Config().to_dict()
    assert told[section][key] != before
    assert Config.from_dict(told, trained=True) == Config()
    del told[section][key]
    assert getattr(getattr(Config.from_dict(told, trained=True), section), key) == before
    assert getattr(getattr(Config.from_dict(as_begun(told)), section), key) == before
    assert Config.from_dict(told) == Config()


@pytest.mark.parametrize(
    "text",
    ["model = 3", "[model]\narch = [1]", "[model]\narch = 3", f"[optim]\nlr = 1{'0' * 400}",
     f"[optim]\nlr = 1{'0' * 5000}",
     f"[optim]\nepochs = 1{'0' * 30}", "run = 1", "[optim]\nlr = {a = 1}", "a = " + "[" * 5000],
)  # fmt: skip
def test_settings_of_any_kind_in_a_file_are_refused_in_words(tmp_path, text):
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        resolve({}, "", tmp_path / "own.toml")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", CAME_LATER)
@pytest.mark.parametrize("values", [3, [], "x", None])
def test_a_section_of_another_kind_is_refused_where_settings_that_came_later_are_added(name, values):
    section, _ = name.split(".")
    with pytest.raises(UsageError, match="must be a section"):
        Config.from_dict(as_begun({section: values}))


@pytest.mark.parametrize("text", [f"optim.lr={'9' * 5000}", "a=" + "[" * 5000, f"optim.lr=1{'0' * 400}"])
def test_assignments_of_any_kind_are_refused_in_words(text):
    with pytest.raises(UsageError):
        resolve(assignments=[text])
    with pytest.raises(UsageError, match="not a section"):
        resolve(assignments=["optim.lr=1", "optim.lr.x=2"])


@pytest.mark.parametrize(
    ("arch", "options"),
    [("conformer", {"layers": 200_000}), ("conv-bilstm", {"layers": 201}), ("tcn", {"width": 10**9}),
     ("tcn", {"dilations": [1] * 500}),
     ("ensemble", {"members": 10**6}), ("tcn", {"frontend": {"turn_frames": 10**9 + 1}}),
     ("mobilenetv3", {"width": 1e9}), ("mobilenetv3", {"lstm_layers": 10**6})],
)  # fmt: skip
def test_networks_that_no_machine_can_hold_are_refused(arch, options):
    with pytest.raises(UsageError, match="larger than"):
        read_options(arch, options)


def test_a_section_that_checks_itself_is_answered_like_any_other():
    with pytest.raises(UsageError, match="must be odd"):
        read_options("tcn", {"frontend": {"turn_frames": 2}})
