"""Runs plugins inside a private host as a container runtime does, and says what each run took.

The same program drives both sides of a comparison, so what it costs itself is in both. One JSON object a line in, one out:

  {"op": "chain", "verb": "ADD", "plugins": [[program, conf], …], "env": {…}, "prev": result or null}
      every plugin in order, for ADD each with the result of the one before it
  {"op": "exec", "cmd": [program, …], "input": text, "env": {…}}
  {"op": "many", "jobs": [job, …], "width": 4}       jobs of the two kinds above, so many at a time

A run answers {"ms", "cpu", "rss", "result"}: milliseconds from the first start to the last end; user and system time in
milliseconds of the programs and all their children; the peak of memory in KB, summed over the programs of a chain
(the largest process of each). "many" answers {"ms", "each": [run, …]}.
"""

import fcntl
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

F_SETPIPE_SZ = 1031


def program(cmd, env, text):
    """One process to its end: status, stdout, CPU milliseconds, peak KB."""
    data = text.encode()
    stdin_read, stdin_write = os.pipe2(os.O_CLOEXEC)
    stdout_read, stdout_write = os.pipe2(os.O_CLOEXEC)
    stderr = os.memfd_create("stderr")
    try:
        # The whole input goes into the pipe beforehand, so that nobody has to be woken for it.
        if len(data) > 65536:
            fcntl.fcntl(stdin_write, F_SETPIPE_SZ, 1 << 20)
        os.write(stdin_write, data)
        os.close(stdin_write)
        pid = os.posix_spawn(cmd[0], cmd, env, file_actions=[
            (os.POSIX_SPAWN_DUP2, stdin_read, 0),
            (os.POSIX_SPAWN_DUP2, stdout_write, 1),
            (os.POSIX_SPAWN_DUP2, stderr, 2),
        ])
        os.close(stdout_write)
        chunks = []
        while chunk := os.read(stdout_read, 65536):
            chunks.append(chunk)
        _, status, usage = os.wait4(pid, 0)
        output = b"".join(chunks).decode()
        if status != 0:
            os.lseek(stderr, 0, 0)
            raise RuntimeError(f"{cmd[0]} {env.get('CNI_COMMAND', '')}: status {status}: {output} {os.read(stderr, 4096).decode()}")
        return output, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss
    finally:
        os.close(stdin_read)
        os.close(stdout_read)
        os.close(stderr)


def chain(job):
    previous = job.get("prev")
    verb = job["verb"]
    env = {**job["env"], "CNI_COMMAND": verb}
    cpu = rss = 0
    start = time.perf_counter_ns()
    for path, conf in job["plugins"]:
        text = json.dumps(conf if previous is None else {**conf, "prevResult": previous})
        output, used, peak = program([path], env, text)
        cpu += used
        rss += peak
        if verb == "ADD":
            previous = json.loads(output)
    return {"ms": (time.perf_counter_ns() - start) / 1e6, "cpu": cpu, "rss": rss, "result": previous}


def execute(job):
    start = time.perf_counter_ns()
    output, cpu, rss = program(job["cmd"], job["env"], job.get("input", ""))
    return {"ms": (time.perf_counter_ns() - start) / 1e6, "cpu": cpu, "rss": rss, "result": output}


def one(job):
    return chain(job) if job["op"] == "chain" else execute(job)


def many(job):
    start = time.perf_counter_ns()
    with ThreadPoolExecutor(job["width"]) as pool:
        each = list(pool.map(one, job["jobs"]))
    return {"ms": (time.perf_counter_ns() - start) / 1e6, "each": each}


for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = many(request) if request["op"] == "many" else one(request)
    except Exception as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
