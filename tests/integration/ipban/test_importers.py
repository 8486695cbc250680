"""Importers against a real store: a feed is one change, a bad one none, and other sources are left alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from ipban.importers import feeds
from ipban.importers.networks import RefusedError
from ipban.importers.settings import Feed, Settings
from ipban.importers.store import Store as Writer
from ipban.importers.store import StoreError

from .stores import Store


@pytest.fixture
def settings(store: Store, tmp_path: Path) -> Settings:
    store.clear()
    return Settings(store.conninfo("writer"), (), state_directory=tmp_path, textfile_directory=tmp_path)


@pytest.fixture
def writer(settings: Settings) -> Writer:
    return Writer(settings.conninfo, "importer@test")


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    path = tmp_path / "feed.txt"
    path.write_text("".join(f"198.51.100.{n}\n" for n in range(1, 201)))
    return Feed("drop", f"file://{path}", "drop", "all", "drop list")


def rewrite(feed: Feed, text: str) -> None:
    Path(feed.url.removeprefix("file://")).write_text(text)


def generation(store: Store) -> int:
    return int(store.call("SELECT generation FROM ipban.head()"))


def banned(store: Store, source: str) -> int:
    return int(store.sql(f"SELECT count(*) FROM ipban.ban WHERE NOT removed AND source = '{source}'"))  # noqa: S608


def test_a_run_is_one_change_and_the_next_is_none(
    store: Store, settings: Settings, writer: Writer, feed: Feed
) -> None:
    store.call("SELECT ipban.ban('{198.51.100.1}', 'by hand')")
    before = generation(store)
    assert feeds.run(feed, settings, writer).changed == 200
    assert generation(store) == before + 1
    assert feeds.run(feed, settings, writer).changed == 0
    assert generation(store) == before + 1
    journal = store.sql("SELECT action, actor, source, count FROM ipban.journal ORDER BY id DESC LIMIT 1")
    assert journal == "replace|importer@test|drop|200"
    rewrite(feed, "".join(f"198.51.100.{n}\n" for n in range(2, 202)))
    assert feeds.run(feed, settings, writer).changed == 2
    assert banned(store, "operator") == 1


def test_what_was_opened_behind_its_back_comes_again(
    store: Store, settings: Settings, writer: Writer, feed: Feed
) -> None:
    feeds.run(feed, settings, writer)
    store.call("SELECT ipban.withdraw('drop')")
    assert feeds.run(feed, settings, writer).changed == 200


@pytest.mark.parametrize("text", ["<html>", "", "10.0.0.1\n", "198.51.100.1/24\n", "45.0.0.0/8\n"])
def test_a_bad_feed_changes_nothing(
    text: str, store: Store, settings: Settings, writer: Writer, feed: Feed
) -> None:
    feeds.run(feed, settings, writer)
    before = generation(store)
    rewrite(feed, text)
    with pytest.raises(RefusedError):
        feeds.run(feed, settings, writer)
    assert generation(store) == before
    assert banned(store, "drop") == 200


def test_the_store_has_the_last_word_on_an_unusual_size(
    store: Store, settings: Settings, writer: Writer, feed: Feed
) -> None:
    """Where the importer has lost its memory."""
    feeds.run(feed, settings, writer)
    (settings.state_directory / "drop.json").unlink()
    rewrite(feed, "".join(f"45.{n // 250}.0.{n % 250}\n" for n in range(2000)))
    with pytest.raises(RefusedError, match="the store: source drop would change by"):
        feeds.run(feed, settings, writer)
    assert banned(store, "drop") == 200
    assert feeds.run(feed, settings, writer, accept=True).entries == 2000


def test_refusals_of_the_store_are_told(settings: Settings, writer: Writer, feed: Feed) -> None:
    with pytest.raises(RefusedError, match='list is "nowhere": must be one of'):
        feeds.run(dataclasses.replace(feed, list="nowhere"), settings, writer)


def test_a_store_that_is_away_is_no_refusal(store: Store, settings: Settings, feed: Feed) -> None:
    away = Writer(store.conninfo("writer", port="1"), "importer@test")
    with pytest.raises(StoreError, match="the store: connection "):
        feeds.run(feed, settings, away)


def test_a_connection_that_broke_is_made_again(
    store: Store, settings: Settings, writer: Writer, feed: Feed
) -> None:
    feeds.run(feed, settings, writer)
    store.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'groundwork-ipban-import'"
    )
    with pytest.raises(StoreError):
        feeds.run(feed, settings, writer)
    assert feeds.run(feed, settings, writer).changed == 0
