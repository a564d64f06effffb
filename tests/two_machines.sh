#!/usr/bin/env bash
# Two "machines" on one: two network namespaces with hostnames and addresses of their own, joined by a cable. Four ranks,
# two in each, train over TCP and are resumed; then one machine's cable is pulled. Needs root and iproute2; says so where
# it may not run. The figures must be those of one process.
set -euo pipefail
cd "$(dirname "$0")/.."
PY=$PWD/.venv/bin/python
MPIEXEC=$PWD/.venv/bin/mpiexec

if [ "$(id -u)" != 0 ] || ! command -v ip >/dev/null || ! command -v unshare >/dev/null; then
  echo "not run: needs root, ip (iproute2) and unshare"
  exit 0
fi
one=tinygan-one-$$ two=tinygan-two-$$
work=$(mktemp -d)
clean() {
  for name in "$one" "$two"; do
    ip netns pids "$name" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
    ip netns del "$name" 2>/dev/null || true
    rm -rf "/etc/netns/$name"
  done
  rmdir /etc/netns 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
if ! ip netns add "$one" 2>"$work/refused"; then
  echo "not run: $(cat "$work/refused")"
  exit 0
fi
ip netns add "$two"
ip -n "$one" link add cable type veth peer name cable netns "$two"
number=1
for name in "$one" "$two"; do
  mkdir -p "/etc/netns/$name"
  printf '127.0.0.1 localhost\n10.77.0.1 %s\n10.77.0.2 %s\n' "$one" "$two" >"/etc/netns/$name/hosts"
  ip -n "$name" addr add "10.77.0.$number/24" dev cable
  ip -n "$name" link set lo up
  ip -n "$name" link set cable up
  number=$((number + 1))
done

# What stands for ssh: run a command on the named machine. Hydra calls it as ssh [-x] HOST COMMAND...
cat >"$work/reach" <<'END'
#!/usr/bin/env bash
while [[ "$1" == -* ]]; do shift; done
host=$1
shift
exec ip netns exec "$host" unshare --uts bash -c 'hostname "$0"; eval "$*"' "$host" "$@"
END
chmod +x "$work/reach"

ranks() { # SCRIPT ARGUMENTS...: two ranks on each machine, started on the first
  "$work/reach" "$one" "$MPIEXEC" -launcher ssh -launcher-exec "$work/reach" -hosts "$one:2,$two:2" -n 4 \
    -genv OMP_NUM_THREADS 1 -genv UCX_TLS tcp,self -genv UCX_NET_DEVICES cable -genv FI_PROVIDER tcp "$PY" "$@"
}
options=(train.py --norm bn --dataset shapes --features 4 --code-size 5 --batch-size 10 --device cpu --precision float64)
options+=(--learning-rate 1e-3 --log-every 5 --test-every 0)

"$PY" "${options[@]}" --iterations 20 --out "$work/alone" >/dev/null
before=$(ip netns exec "$two" cat /sys/class/net/cable/statistics/rx_bytes)
ranks "${options[@]}" --iterations 10 --out "$work/runs"
ranks train.py --resume latest --out "$work/runs" --iterations 20
after=$(ip netns exec "$two" cat /sys/class/net/cable/statistics/rx_bytes)
echo "$(((after - before) / 1000)) kB went over the cable to the second machine"
"$PY" - "$work" <<'END'
import sys
from pathlib import Path
import numpy as np
from tinygan.training.checkpoint import load
alone, ranks = (load(next((Path(sys.argv[1]) / name).glob("*/checkpoints/last.safetensors"))) for name in ("alone", "runs"))
worst = max(float(abs(alone.tensors[name] - tensor).max()) for name, tensor in ranks.tensors.items() if tensor.size)
print(f"largest difference to one process after {ranks.progress.iteration} iterations: {worst:.2g}")
sys.exit(worst > 1e-10)
END

# The cable is pulled. Whether anybody notices is up to MPI and its launcher; what is saved stays whole.
ranks train.py --resume latest --out "$work/runs" --iterations 1000000 --save-every 5 >"$work/log" 2>&1 &
training=$!
until grep -q "iteration 25/" "$work/log"; do sleep 0.2; done
ip -n "$one" link set cable down
began=$SECONDS
while kill -0 "$training" 2>/dev/null && [ $((SECONDS - began)) -lt 30 ]; do sleep 0.2; done
if kill -0 "$training" 2>/dev/null; then
  echo "the cable was pulled: nobody noticed within 30 s, the ranks wait"
  pkill -9 -P "$training" || true
  kill -9 "$training" || true
else
  echo "the cable was pulled: all had ended after $((SECONDS - began)) s"
fi
"$PY" train.py --resume latest --out "$work/runs" --iterations 1 | tail -1
