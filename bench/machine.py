"""What a measurement ran on."""
import json
import os
import platform
import subprocess


def machine(program):
    """Processor, memory and kernel, and what `leadline info` of `program` says."""
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory_gib = int(file.readline().split()[1]) / (1 << 20)
    info = subprocess.run([program, "info", "--json"], stdout=subprocess.PIPE, text=True, check=True)
    return {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory_gib),
            "kernel": platform.release(), "leadline": json.loads(info.stdout)}


def described(host):
    """The machine in words."""
    info = host["leadline"]
    return (f"{host['cpu']}, {host['cores']} cores, {host['memory_gib']} GiB, Linux\n"
            f"{host['kernel'].split('-')[0]}; Leadline {info['version']} with {info['simd']['chosen']} "
            f"kernels (of\n{', '.join(info['simd']['available'])})")
