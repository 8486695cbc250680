"""gitlab.rb from data: exact text, hostile values, and Ruby's own verdict where there is a Ruby."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_server import ruby

HOSTILE = (
    "#{system('id')}",
    "'; system('id'); '",
    "\\'; system('id')#",
    "back\\slash\\",
    "\\\\'",
    "two\nlines",
    "`id`",
    "=begin\nx\n=end",
    "__END__",
    '$(id) "quoted" %q(x) ümläut \u2028',
    "",
)


def test_lines_are_sorted_and_typed() -> None:
    text = ruby.settings(
        {
            "puma": {"worker_processes": 4, "min_threads": None},
            "external_url": "https://gitlab.example.com",
            "gitlab_rails": {
                "smtp_enable": True,
                "trusted_proxies": ["10.0.0.1", "10.0.0.2"],
                "object_store": {"enabled": False, "connection": {}},
                "providers": [{"name": "openid", "discovery": True}],
                "level": {"ruby_symbol": "debug"},
                "rate": 0.5,
            },
        }
    )
    assert text == (
        "external_url('https://gitlab.example.com')\n"
        "gitlab_rails['level'] = :debug\n"
        "gitlab_rails['object_store'] = {\n  'enabled' => false,\n  'connection' => {},\n}\n"
        "gitlab_rails['providers'] = [\n  {\n    'name' => 'openid',\n    'discovery' => true,\n  },\n]\n"
        "gitlab_rails['rate'] = 0.5\n"
        "gitlab_rails['smtp_enable'] = true\n"
        "gitlab_rails['trusted_proxies'] = ['10.0.0.1', '10.0.0.2']\n"
        "puma['min_threads'] = nil\n"
        "puma['worker_processes'] = 4\n"
    )


@pytest.mark.parametrize("value", HOSTILE)
def test_a_text_ends_only_at_its_own_quote(value: str) -> None:
    """Read back as Ruby reads single quotes: the backslash escapes itself and the quote, nothing else."""
    written = ruby.text(value)
    assert written[0] == written[-1] == "'"
    inner, read, position = written[1:-1], "", 0
    while position < len(inner):
        if inner[position] == "\\" and inner[position + 1 : position + 2] in ("\\", "'"):
            position += 1
        else:
            assert inner[position] != "'", f"the text ends early in {written}"
        read += inner[position]
        position += 1
    assert read == value


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"Gitlab": {}}, "the section 'Gitlab' must have lower case letters"),
        ({"x; system('id')": {}}, "must have lower case letters"),
        ({"puma": {"a'] = 1; b['c": 1}}, "puma: the key"),
        ({"puma": {"x": {1: 2}}}, "puma['x']: the key 1 must be a text"),
        ({"puma": {"x": float("nan")}}, "puma['x'] is nan: must be a finite number"),
        ({"puma": {"x": "a\0b"}}, "puma['x']: must not hold a NUL"),
        ({"puma": {"x": {"ruby_symbol": "a b"}}}, "ruby_symbol must be the only key"),
        ({"puma": {"x": {"ruby_symbol": "a", "b": 1}}}, "ruby_symbol must be the only key"),
        ({"puma": {"x": object()}}, "puma['x'] is a object"),
    ],
)
def test_what_has_no_ruby_is_refused_with_its_place(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ruby.RubyError) as refused:
        ruby.settings(values)
    assert says in str(refused.value)


@pytest.mark.skipif(shutil.which("ruby") is None, reason="there is no ruby on this machine; molecule has one")
def test_ruby_reads_what_was_written() -> None:
    data = {"texts": list(HOSTILE), "nested": {"a": [None, True, 1, 2.5, {"b": []}]}}
    program = f"require 'json'\nx = {{}}\n{ruby.settings({'x': data})}puts JSON.generate(x)\n"
    done = subprocess.run(["ruby", "-"], input=program, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == data
