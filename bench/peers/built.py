"""Indexes that workers built, kept in the cache beside the data set: one folder a configuration."""
import hashlib
import json
import os
import shutil
import sys

from remote import Worker, WorkerFailed

built_here = set()  # folders, for sections that use the same index


def folder_of(args, data_set, setting, threads, tag=""):
    config = {key: value for key, value in setting.config.items() if key != "mmap"}  # how it is opened
    text = json.dumps([setting.system, config, threads, tag], sort_keys=True)
    return os.path.join(args.cache, "indexes", os.path.basename(data_set.folder),
                        f"{setting.system}-{hashlib.sha256(text.encode()).hexdigest()[:12]}")


def cores(args, threads):
    """The measured core, and others beside it."""
    usable = sorted(os.sched_getaffinity(0))
    return [args.core, *(core for core in usable if core != args.core)][:threads]


def build(args, data_set, setting, threads, tag="", **more):
    """(folder, what the build said). Builds anew unless the cache has it; {"error"} where that fails."""
    folder = os.path.abspath(folder_of(args, data_set, setting, threads, tag))
    record = folder + ".json"
    kept = not args.rebuild and (args.keep or setting.system != "leadline")
    if os.path.exists(record) and (kept or folder in built_here):
        with open(record, encoding="utf-8") as file:
            return folder, json.load(file)
    for old in (record, folder):
        if os.path.isdir(old):
            shutil.rmtree(old)
        elif os.path.exists(old):
            os.remove(old)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    try:
        with Worker(setting.system, args.leadline, cores(args, threads), threads) as worker:
            answer = worker.ask(args.build_limit, do="build", base=data_set.base, metric=data_set.metric,
                                config=setting.config, threads=threads, folder=folder, **more)
    except WorkerFailed as failure:
        answer = {"error": str(failure)}
        shutil.rmtree(folder, ignore_errors=True)
    print(f"    built {setting.system} {setting.name}: "
          f"{answer.get('error') or format(answer['build_s'], '.1f') + ' s'}", file=sys.stderr, flush=True)
    answer["threads"] = threads
    if "error" not in answer:
        with open(record, "w", encoding="utf-8") as file:
            json.dump(answer, file)
        built_here.add(folder)
    return folder, answer


def open_worker(args, data_set, setting, folder, **more):
    """A worker on the measured core that has the index open, and what opening said."""
    worker = Worker(setting.system, args.leadline, [args.core])
    try:
        return worker, worker.ask(args.build_limit, do="open", folder=folder, metric=data_set.metric,
                                  config=setting.config, queries=data_set.queries, **more)
    except WorkerFailed:
        worker.close()
        raise
