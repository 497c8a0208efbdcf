"""What each `rl-train` sub-command does, given its parsed options. Heavy libraries are imported where they are used.

A command returns its exit code: 0 done, 1 ran with a negative result. A UserError ends it with code 2.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from envs.errors import UserError
from rl.cli_parser import parse
from rl.ranks import on_ranks, quickstart_ranks
from rl.training import NEGATIVE, console_for, say_plan, show_evaluations, stoppable, train, train_on_workers

if TYPE_CHECKING:
    from envs.problem_sets import ProblemSet

# Graders share the cores with the model: threads that spin at a barrier would wait for whoever is not running.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def run(options: argparse.Namespace, overrides: list[str]) -> int:
    """Train by a config file, or go on with the run of a run folder."""
    from rl.config import load_with_sources
    from rl.run import CONFIG, holds_a_run, recorded_ranks

    path, resume = options.config, options.resume or options.config.is_dir()
    if path.is_dir() and not holds_a_run(path):
        raise UserError(f"{path}: this folder holds no run; expected a config file or a run folder")
    loaded = load_with_sources(path / CONFIG if path.is_dir() else path, overrides)
    if path.is_dir():  # which may have been moved since
        loaded = replace(loaded, config=loaded.config.model_copy(update={"folder": path}))
    if options.workers:
        return train_on_workers(loaded.config, options.workers, options.json, resume)
    with on_ranks(options.ranks or recorded_ranks(loaded.config.folder), options.words):
        if options.dry_run:
            return say_plan(loaded, options.json, resume)
        return train(loaded.config, options.json, resume)


def quickstart(options: argparse.Namespace, overrides: list[str]) -> int:
    """Train by the config that comes with the package, into a folder that is not taken yet."""
    from rl.config import CONFIGS, load_with_sources

    loaded = load_with_sources(CONFIGS / "quickstart.toml", overrides)
    if options.workers:
        config = loaded.config.model_copy(update={"folder": _free(loaded.config.folder)})
        return train_on_workers(config, options.workers, options.json, resume=False)
    with on_ranks(options.ranks or quickstart_ranks(), options.words):
        from rl.engine import gather

        folder = gather([_free(loaded.config.folder)])[0]  # rank 0's: another may look when it is taken already
        config = loaded.config.model_copy(update={"folder": folder})
        if options.dry_run:
            return say_plan(replace(loaded, config=config), options.json, resume=False)
        return train(config, options.json, resume=False)


def _free(folder: Path) -> Path:
    """The folder, or where there is one, the first of folder-2, folder-3, ... that is not there."""
    free, count = folder, 1
    while free.exists():
        count += 1
        free = folder.with_name(f"{folder.name}-{count}")
    return free


def plan(options: argparse.Namespace, overrides: list[str]) -> int:
    """Predict how long a round takes on so many GPUs and graders, and who waits."""
    from rl.config import load_config
    from rl.forecast import forecast

    found = forecast(load_config(options.config, overrides), options.gpus, options.cpus, options.endless)
    if options.json:
        print(json.dumps(found.as_json()))
    else:
        found.show(console_for(False))
    return 0


def submit(options: argparse.Namespace, _: list[str]) -> int:
    """Have a Ray cluster run another command of ours as a job, or print the Kubernetes manifest of that job."""
    from rl.config import CONFIGS, load_config

    inner, overrides = parse(options.words_of_job)
    if inner.command not in ("run", "quickstart", "serve"):
        raise UserError(
            f"submit: expected `run CONFIG ...`, `quickstart ...` or `serve ...`; got {' '.join(options.words_of_job)}"
        )
    serves = inner.command == "serve"
    if serves and not options.print_manifest:
        raise UserError("submit: a job ends, and a server does not; expected --print-manifest, or `serve --on ray`")
    if not serves:
        config = load_config(CONFIGS / "quickstart.toml" if inner.command == "quickstart" else inner.config, overrides)
        if not config.folder.is_absolute():
            raise UserError(
                f"folder: a job runs in a copy of the working directory that is thrown away; expected --folder with "
                f"the absolute path of one that all machines see; got {config.folder}"
            )
    from rl.cluster import Job
    from rl.cluster import submit as submit_job
    from rl.manifests import Machines, ray_job, ray_service

    job = Job(options.words_of_job, options.working_dir)
    if not options.print_manifest:
        return submit_job(job, options.address, wait=not options.no_wait)
    machines = Machines(options.image, options.machines, options.cpus, options.gpus)
    print(ray_service(job.words, machines) if serves else ray_job(job.entrypoint, machines), end="")
    return 0


def compare(options: argparse.Namespace, overrides: list[str]) -> int:
    """Train the arms of a comparison, or go on with it, and show them side by side."""
    from rl.config_compare import load_comparison

    comparison = load_comparison(options.config, overrides)
    from rl.compare import run_comparison

    resume, console = options.resume or options.config.is_dir(), console_for(options.json)
    folder = comparison.base.folder
    return stoppable(lambda: run_comparison(comparison, console, resume, options.json), "compare", folder)


def evaluate(options: argparse.Namespace, _: list[str]) -> int:
    """Measure pass@k of a model on a problem set."""
    if max(options.ks) > options.n:
        raise UserError(
            f"--ks: pass@{max(options.ks)} needs at least as many programs per problem; got --n {options.n}"
        )
    if options.critic_sampling:
        return _evaluate_critic_sampling(options)
    from critics.rationales import wording_of
    from envs.forms import Form, asking_in, refuse_other_kinds
    from envs.grading import Grader
    from rl.collect import collect
    from rl.evaluate import evaluation_of, outcomes_of
    from rl.models import load_policy, policy_folder
    from rl.write import by_policy, stop_at

    problems, form = _problems(options).problems[: options.size], Form(options.form)
    refuse_other_kinds(problems, form)
    policy = load_policy(str(policy_folder(options.policy)))
    write = by_policy(
        policy,
        ask=asking_in(form),
        n=options.n,
        temperature=options.temperature,
        max_new_tokens=options.max_new_tokens,
        seed=options.seed,
        stop=stop_at(policy, options.stop, at_dedent=options.stop_at_dedent),
    )
    with Grader(options.workers, isolation=options.isolation) as grader:
        groups = list(collect(problems, write, grader.submit))
    result = evaluation_of(list(map(outcomes_of, groups)), options.ks, list(map(wording_of, groups)))
    programs = {group.problem.id: [rollout.program for rollout in group.rollouts] for group in groups}
    _export(programs, options.evalplus, options.livecodebench)
    if options.json:
        print(json.dumps(asdict(result)))
    else:
        show_evaluations({str(options.policy): result}, console_for(False))
    return 0


def _evaluate_critic_sampling(options: argparse.Namespace) -> int:
    """Measure critic sampling beside plain sampling and best of n, all at the same number of generated tokens."""
    if options.critic is None:
        raise UserError("--critic: critic sampling needs the folder of a critic; got none")
    if options.evalplus or options.livecodebench:
        raise UserError("--evalplus, --livecodebench: expected plain sampling; they do not go with --critic-sampling")
    if options.stop or options.stop_at_dedent:
        raise UserError("--stop, --stop-at-dedent: expected plain sampling; they do not go with --critic-sampling")
    if options.form != "program":
        raise UserError(f"--form: expected program with --critic-sampling, which cuts programs; got {options.form}")
    from critics.sampling import Cut, Drop, SamplingSettings
    from envs.grading import Grader
    from rl.budget import compare_ways, load_searchers

    settings = SamplingSettings(
        budget=options.budget or options.n * options.max_new_tokens,
        max_new_tokens=options.max_new_tokens,
        n=options.n,
        rounds=options.rounds,
        keep=options.keep,
        cut=Cut(options.cut),
        drop=Drop(options.drop),
        seed=options.seed,
    )
    problems = _problems(options).problems[: options.size]
    write, critic, write_repair = load_searchers(options.policy, options.critic, options.repair, options.temperature)
    with Grader(options.workers, isolation=options.isolation) as grader:
        found = compare_ways(
            problems, settings, options.ks, write=write, critic=critic, grade=grader.grade, write_repair=write_repair
        )
    print(json.dumps(found.as_dict()) if options.json else found.table())
    return 0


def grade(options: argparse.Namespace, _: list[str]) -> int:
    """Grade a file of completions into a file of verdicts."""
    from envs.grade_files import grade_files

    summary = grade_files(
        _problems(options), options.completions, options.out, isolation=options.isolation, workers=options.workers
    )
    if options.json:
        print(json.dumps({**asdict(summary), "n_programs": summary.n_programs}))
    else:
        print(summary.table())
    return 0


def audit_problems(options: argparse.Namespace, _: list[str]) -> int:
    """Check a problem set before it is trusted: 0 when it is fit for use, 1 when something is wrong with it."""
    from envs.audit import audit_problems, cleaned, render, write_ledger
    from envs.grading import Grader
    from envs.problem_sets import files

    problems = _problems(options)
    against = [_named_set(word) for word in options.against]
    with Grader(options.workers, isolation=options.isolation) as grader:
        ledger = audit_problems(problems, grader.grade, against)
    if options.out:
        write_ledger(ledger, options.out)
    if options.fix:
        files.write(cleaned(problems, ledger), options.fix)
    print(json.dumps({**asdict(ledger), "clean": ledger.clean}) if options.json else render(ledger))
    return 0 if ledger.clean else NEGATIVE


def audit_rewards(options: argparse.Namespace, _: list[str]) -> int:
    """Attack a reward function: 0 when nothing earned that should not, 1 when something did."""
    from envs.problem import Interface
    from envs.reward_audit import INTERFACES, audit_reward, render
    from envs.reward_audit.judges import judge_of

    interfaces = tuple(map(Interface, options.interface)) if options.interface else INTERFACES
    with closing(judge_of(options.reward, options.url, options.shape, options.deadline_s)) as judge:
        audited = audit_reward(judge, interfaces, options.above, options.limit_s)
    print(json.dumps({**asdict(audited), "clean": audited.clean}) if options.json else render(audited))
    return 0 if audited.clean else NEGATIVE


def report(options: argparse.Namespace, _: list[str]) -> int:
    """Write a run's report.html and say where it is, or with --json what it shows."""
    from rl.report import write_page
    from rl.report.figures import summary
    from rl.report.reading import read_run

    run = read_run(options.folder)
    path = write_page(run)
    print(json.dumps(summary(run) | {"report": str(path)}) if options.json else path)
    return 0


def selftest(options: argparse.Namespace, _: list[str]) -> int:
    """Check the arithmetic of training, or that a killed run goes on as if nothing had been: 1 when a check fails."""
    if options.resume:
        return _selftest_resume(options.kills, options.json)
    from rl.config import load_config
    from rl.selftest import exit_code, render, run_selftest

    checks = run_selftest(load_config(options.config) if options.config else None)
    print(json.dumps([asdict(check) for check in checks]) if options.json else render(checks))
    return exit_code(checks)


def _selftest_resume(kills: int, as_json: bool) -> int:
    from rl.selftest.resume import survives_kills

    console = console_for(as_json)
    different = survives_kills(kills, seed=kills, say=lambda line: console.print(line, highlight=False))
    if as_json:
        print(json.dumps({"kills": kills, "different": different}))
    elif different:
        print(f"after {kills} kills these files differ: {', '.join(different)}")
    else:
        print(f"after {kills} kills every file is byte for byte that of a run that was left alone")
    return NEGATIVE if different else 0


def config_schema(options: argparse.Namespace, _: list[str]) -> int:
    """Print the JSON schema of a config."""
    from rl.config_show import schema

    print(json.dumps(schema(), indent=2))
    return 0


def config_show(options: argparse.Namespace, overrides: list[str]) -> int:
    """Print a resolved config, as TOML that says what each key means."""
    from rl.config import load_config
    from rl.config_show import as_toml

    config = load_config(options.config, overrides)
    print(json.dumps(config.model_dump(mode="json"), indent=2) if options.json else as_toml(config), end="")
    return 0


def config_diff(options: argparse.Namespace, _: list[str]) -> int:
    """Print the keys that differ between two configs: 1 when there are any."""
    from rl.config_show import differences, values_of

    different = differences(values_of(options.a), values_of(options.b))
    if options.json:
        print(json.dumps(different))
    else:
        for name, (a, b) in different.items():
            print(f"{name}: {a} -> {b}")
    return NEGATIVE if different else 0


def init(options: argparse.Namespace, _: list[str]) -> int:
    """Copy the example configs to a folder."""
    from rl.config_show import copy_examples

    written = copy_examples(options.folder)
    if options.json:
        print(json.dumps([str(path) for path in written]))
        return 0
    first = options.folder / "quickstart.toml"
    print("\n".join(f"wrote {path}" for path in written))
    print(f"next: rl-train run {first} --dry-run   (what it would do), then rl-train run {first}")
    return 0


def doctor(options: argparse.Namespace, _: list[str]) -> int:
    """Say what this machine can isolate, and how to get more: 1 where not even L2 works."""
    from envs.sandbox.levels import IsolationError, choose_level, doctor

    lines = doctor()
    print(json.dumps(lines) if options.json else "\n".join(lines))
    try:
        choose_level("L2")
    except IsolationError:
        return NEGATIVE
    return 0


def serve(options: argparse.Namespace, _: list[str]) -> int:
    """Serve a model over HTTP until it is told to stop."""
    from rl.serve.start import serve, serving_of

    if options.on == "ray":
        from rl.serve.on_ray import serve_on_ray

        return serve_on_ray(serving_of(options), options.replicas or (1, 1), options.json)
    if options.replicas is not None:
        raise UserError("--replicas: one server runs on this machine; expected --on ray as well")
    return serve(serving_of(options), options.json)


def replay(options: argparse.Namespace, _: list[str]) -> int:
    """Grade stored rollouts of a run again and show both verdicts: 1 where one differs."""
    from rl.replay import render, replay

    replayed = replay(options.run, options.rollout, isolation=options.isolation, workers=options.workers)
    print(json.dumps([asdict(one) for one in replayed]) if options.json else render(replayed))
    return 0 if all(one.agrees for one in replayed) else NEGATIVE


def _problems(options: argparse.Namespace) -> ProblemSet:
    """The set that --problems, --data.path and --split name; what was dropped of it is said on standard error."""
    from envs.problem_sets import load_problems

    problems = load_problems(options.problems, options.split, options.data_path)
    if problems.dropped:
        print(problems.summary(), file=sys.stderr)
    return problems


def _named_set(word: str) -> ProblemSet:
    """The default split of a set given as NAME or NAME=PATH."""
    from envs.problem_sets import load_problems

    name, _, path = word.partition("=")
    return load_problems(name, path=path or None)


def _export(programs: Mapping[str, list[str]], evalplus: Path | None, livecodebench: Path | None) -> None:
    from envs.exports import write_evalplus, write_livecodebench

    if evalplus:
        write_evalplus([(name, program) for name, group in programs.items() for program in group], evalplus)
    if livecodebench:
        write_livecodebench(programs, livecodebench)
