"""`reenact dashboard`: views of a Weights & Biases project, one that compares methods and one for each method."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from reenact.errors import ReenactError
from reenact.install import install_hint
from reenact.methods.registry import list_methods
from reenact.paths import PathLike, to_path
from reenact.runs import wandb_key

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import interface as workspaces

LOADERS = ("self", "cross")
GRIDS = (
    "train",
    *(f"{stage}_{loader}{kind}" for stage in ("val", "test") for loader in LOADERS for kind in ("", "_worst", "_best")),
)
NOBODY = "ENTITY"
"""Stands for the person or team in what `--dry-run` prints."""


def dashboard(
    *, project: str = "reenact", entity: str | None = None, dry_run: bool = False, out: PathLike | None = None
) -> str:
    """Build the views of a Weights & Biases project: methods compared, and losses, metrics, pictures, videos of each.

    Args:
        project: the project, as `--logger wandb` names it.
        entity: person or team; by default that of the key.
        dry_run: print the views as JSON and send nothing; needs no key.
        out: file for that JSON.

    Returns:
        What a person is told.

    Raises:
        ReenactError: if the library or the key is missing, or the server refuses.
    """
    out = to_path(out)
    try:
        import wandb
        import wandb_workspaces.workspaces  # noqa: F401
    except ImportError as error:
        raise ReenactError(f"reenact dashboard: wandb-workspaces is missing; {install_hint('wandb')}") from error
    if dry_run or out is not None:
        text = json.dumps([view_as_json(view) for view in build_views(project, entity or NOBODY)], indent=2)
        if out is None:
            return text
        try:
            out.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise ReenactError(f"--out {out} can't be written ({error.strerror}); name another file") from error
        return f"{out}: {len(list_methods()) + 1} views, not sent"
    if not wandb_key.has_key():
        raise ReenactError("reenact dashboard: no key of Weights & Biases; `wandb login` first, or look with --dry-run")
    try:
        team = entity or wandb.Api().default_entity
        return "\n".join(str(view.save().url) for view in build_views(project, str(team)))  # type: ignore[no-untyped-call]
    except Exception as error:  # the library raises its own, requests' and GraphQL's
        raise ReenactError(f"reenact dashboard: the server refused ({str(error).splitlines()[0]})") from error


def build_views(project: str, entity: str) -> list[workspaces.Workspace]:
    """The view that compares methods, and one of each method's runs."""
    return [
        _build_comparison_view(project, entity),
        *(_build_method_view(method.name, project, entity) for method in list_methods()),
    ]


def view_as_json(view: workspaces.Workspace) -> dict[str, Any]:
    """A view as the JSON that the server gets."""
    content: dict[str, Any] = json.loads(view._to_model().model_dump_json(by_alias=True, exclude_none=True))
    return content


def _build_comparison_view(project: str, entity: str) -> workspaces.Workspace:
    from wandb_workspaces.expr import Config
    from wandb_workspaces.reports.v2 import interface as panels
    from wandb_workspaces.workspaces import interface as ws

    from reenact.benchmark import spec

    numbers: list[Any] = [
        panels.BarPlot(title=name, metrics=[name], groupby=panels.Config("method"))
        for name in (f"test/{column.loader}/{column.metric}" for column in spec.load_table("quick").columns)
    ]
    tables: list[Any] = [panels.WeavePanelSummaryTable(table_name=f"table/{name}") for name in spec.table_names()]
    return ws.Workspace(
        entity=entity,
        project=project,
        name="Methods compared",
        sections=[
            ws.Section(name="Test numbers by method", panels=numbers, is_open=True),
            ws.Section(name="Validation", panels=_build_curves("val/"), is_open=True),
            ws.Section(
                name="Pictures", panels=[_build_media_panel(f"pictures/{name}") for name in GRIDS], is_open=True
            ),
            ws.Section(name="Videos", panels=_build_video_panels(), is_open=True),
            ws.Section(name="Tables", panels=tables),
            ws.Section(name="Settings", panels=[panels.RunComparer(diff_only="split")]),
        ],
        runset_settings=ws.RunsetSettings(groupby=[Config("method")]),
    )


def _build_method_view(name: str, project: str, entity: str) -> workspaces.Workspace:
    from wandb_workspaces.expr import Config
    from wandb_workspaces.reports.v2 import interface as panels
    from wandb_workspaces.workspaces import interface as ws

    rows: list[Any] = [
        panels.WeavePanelSummaryTable(table_name=f"{kind}/test_{loader}")
        for loader in LOADERS
        for kind in ("scores", "frames")
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"Method {name}",
        sections=[
            ws.Section(name="Losses", panels=_build_curves("train/"), is_open=True),
            ws.Section(name="Metrics", panels=[*_build_curves("val/"), *_build_curves("test/")], is_open=True),
            ws.Section(
                name="Pictures", panels=[_build_media_panel(f"pictures/{grid}") for grid in GRIDS], is_open=True
            ),
            ws.Section(name="Videos", panels=_build_video_panels(), is_open=True),
            ws.Section(name="Rows", panels=rows),
        ],
        runset_settings=ws.RunsetSettings(filters=[Config("method") == name]),
    )


def _build_curves(prefix: str) -> list[Any]:
    """All numbers that begin so, over the steps."""
    from wandb_workspaces.reports.v2 import interface as panels

    return [panels.LinePlot(title=prefix, x="Step", metric_regex=f"^{prefix}.*")]


def _build_media_panel(key: str) -> Any:  # noqa: ANN401 - a panel
    from wandb_workspaces.reports.v2 import interface as panels

    return panels.MediaBrowser(title=key, media_keys=[key])


def _build_video_panels() -> list[Any]:
    return [_build_media_panel(f"videos/{stage}_{loader}") for stage in ("val", "test") for loader in LOADERS]
