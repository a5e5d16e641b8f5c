"""`reenact weights`: the files that parts of the package need, their licences, and how to get them here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reenact import assets
from reenact.assets import Asset, collect_assets, find_asset
from reenact.assets.manifest import Manifest
from reenact.choices import check_choices
from reenact.cli.fetching import fetch_file
from reenact.cli.weight_files import add_asset, take_download, temporary_workplace, verify_file
from reenact.errors import ReenactError, suggest_names
from reenact.paths import PathLike, to_path


@check_choices
def weights(
    action: Literal["list", "path", "check", "add", "get"] = "list",
    name: str | None = None,
    file: PathLike | None = None,
    accept_licence: bool = False,
    preset: str | None = None,
    scale: Literal["tiny", "paper"] = "paper",
) -> int:
    """List, locate, check, add or fetch the weight and model files that parts of the package need.

    Args:
        action: list shows all, or everything about one; path prints where one lies; check compares contents;
            add copies one in; get fetches one.
        name: Which, as list names it; check without a name checks all that are here.
        file: With add: the file, or the folder or zip of a pack.
        accept_licence: With get: say yes to the licence of a file that is not free for every use; it is remembered.
        preset: With list: show the files that training this preset needs.
        scale: With --for: the scale of the training.

    Returns:
        0, or 1 if check found a bad file.
    """
    file = to_path(file)
    table = collect_assets()
    if name is not None and name not in table:
        raise ReenactError(f"{name}: no such file; {suggest_names(name, list(table))}")
    if file is not None and action != "add":
        raise ReenactError(f"{file}: only 'reenact weights add NAME FILE' takes a file")
    if preset is not None and (action != "list" or name is not None):
        raise ReenactError(f"--for {preset}: goes with 'reenact weights list' alone")
    if action == "list":
        show_one(table[name]) if name else show_all(_needed_by(preset, scale) if preset else list(table.values()))
        return 0
    if action == "check":
        return check_assets([name] if name else [other for other in table if assets.locate_asset(other)])
    if name is None:
        raise ReenactError(f"weights {action}: say which file; 'reenact weights list' names them")
    if action == "path":
        Console(soft_wrap=True).print(assets.require_asset(name), highlight=False, markup=False)
        return 0
    if action == "add":
        if file is None:
            raise ReenactError(f"weights add {name}: say which file to add")
        path = add_asset(table[name], file)
    else:
        path = fetch_asset(table[name], accept_licence)
    Console(soft_wrap=True).print(f"{name}: {path}", highlight=False, markup=False)
    return 0


def _needed_by(preset: str, scale: str) -> list[Asset]:
    from reenact.cli.needed_files import find_needed_files  # imports torch, which no other list needs

    return [find_asset(name) for name in find_needed_files(preset, scale)]


def show_all(listed: list[Asset]) -> None:
    """Print a table of assets."""
    if not listed:
        Console().print("Training it needs no file.", highlight=False)
        return
    console = Console()
    table = Table(
        box=None, title=Text(f"Files under {assets.cache_dir()} (change with REENACT_HOME)"), title_justify="left"
    )
    for column, ratio in (("name", None), ("here", None), ("what it is for", 3), ("licence", 3), ("to get it", None)):
        table.add_column(column, ratio=ratio, no_wrap=ratio is None, overflow="fold")
    for asset in listed:
        present = Text("yes", "green") if assets.locate_asset(asset.name) else Text("no", "yellow")
        action = "get" if asset.free and asset.url else "accept, get" if asset.url else "by hand"
        table.add_row(asset.name, present, Text(asset.purpose), Text(asset.licence), action)
    console.print(table)
    console.print(
        "\nreenact weights list NAME        everything about one, with how to get it\n"
        "reenact weights get NAME         fetch it; 'accept': add --accept-licence if you agree to its licence\n"
        "reenact weights add NAME FILE    take in what was got by hand",
        highlight=False,
    )


def show_one(asset: Asset) -> None:
    """Print everything about an asset."""
    path = assets.locate_asset(asset.name)
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("name", asset.name)
    table.add_row("what it is for", Text(asset.purpose))
    table.add_row("licence", Text(asset.licence))
    table.add_row("how to get it", Text(asset.source))
    if asset.url:
        table.add_row("address", Text(asset.url))
    table.add_row("here", Text(str(path) if path else f"no; it belongs under {assets.cache_dir()}"))
    for number, file in enumerate(asset.files):
        facts = [f"{file.size:,} bytes"] * bool(file.size) + [f"SHA-256 {file.sha256}"] * bool(file.sha256)
        label = "" if number else "all of" if asset.pack else "any of" if len(asset.files) > 1 else "file"
        table.add_row(label, Text("\n  ".join([file.path, *facts])))
    Console().print(table, highlight=False)


def check_assets(names: list[str]) -> int:
    """Compare files with their published digests, or with those they had when they were added, and look into them.

    Returns:
        0, or 1 if one is bad.

    Raises:
        ReenactError: if a named one is absent.
    """
    console = Console()
    if not names:
        console.print("None of the files is here; 'reenact weights list' names them.", highlight=False)
        return 0
    table = Table(box=None)
    for column in ("name", "state", "detail"):
        table.add_column(column, no_wrap=column != "detail", overflow="fold")
    states = [_check_asset(find_asset(name), assets.require_asset(name)) for name in names]
    for name, (good, detail) in zip(names, states, strict=True):
        table.add_row(name, Text("ok", "green") if good else Text("bad", "red"), Text(detail))
    console.print(table)
    return int(not all(good for good, _ in states))


def fetch_asset(asset: Asset, accept_licence: bool) -> Path:
    """Fetch an asset from its official address.

    Returns:
        Where it lies.

    Raises:
        ReenactError: if it has no address, its licence was not accepted, or it can't be fetched.
    """
    present = assets.locate_asset(asset.name)
    if present is not None:
        return present
    if not asset.url:
        raise ReenactError(
            f"{asset.name} has no address to fetch from: {asset.source}; then 'reenact weights add {asset.name} FILE'"
        )
    manifest = Manifest.read()
    if not manifest.accepts(asset):
        if not accept_licence:
            raise ReenactError(
                f"{asset.name} is not free for every use ({asset.licence}): "
                f"if you accept that, 'reenact weights get {asset.name} --accept-licence'"
            )
        manifest.accepted[asset.name] = asset.licence
        manifest.write()
    with temporary_workplace() as folder:
        download = folder / asset.url.rpartition("/")[2]
        if asset.pack and all(file.url for file in asset.files):
            download.mkdir()
            for file in asset.files:
                fetch_file(file.url, download / file.name)
        else:
            fetch_file(asset.url, download)
        return take_download(asset, download)


def _check_asset(asset: Asset, path: Path) -> tuple[bool, str]:
    """Tell if an asset's files are intact, and by which comparison."""
    remembered = Manifest.read().sha256
    files = asset.files if asset.pack else [file for file in asset.files if path.name == file.name][:1]
    comparisons = []
    for file in files:
        place = path / file.name if asset.pack else path
        try:
            digest = verify_file(file, place)
        except ReenactError as problem:
            return False, str(problem)
        before = remembered.get(file.path)
        if before and before != digest and place.is_relative_to(assets.cache_dir()):
            return False, f"{place} has changed since it was added: get it again from its official source"
        comparisons.append("as published" if file.sha256 else "as when it was added" if before else "")
    if all(comparisons):
        return True, f"SHA-256 {' and '.join(dict.fromkeys(comparisons))}; {path}"
    return True, f"holds what it should, nobody publishes its SHA-256; {path}"
