#!/usr/bin/env bash
# The C extensions, built with AddressSanitizer and UndefinedBehaviorSanitizer, under the tests that run them.
#
#   tests/campaign/sanitize.sh [TEST]...      CC=clang and PYTHON=… choose others than gcc and the first Python found
#
# The package is copied, so the installed extensions stay as they are. Ends with pytest's exit code; a finding of a
# sanitizer ends the run at once with its report.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cc=${CC:-gcc}
python=${PYTHON:-$root/.venv/bin/python}
[ -x "$python" ] || python=$(command -v python3)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

cp -r "$root/live" "$copy/livestyle"
for part in shaders models training; do cp -r "$root/$part" "$copy/livestyle/$part"; done
find "$copy" \( -name '*.so' -o -name '*.pyd' -o -name __pycache__ \) -prune -exec rm -rf {} +

include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
flags=(-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1 -shared -fPIC)
preload=$("$cc" -print-file-name=libasan.so):$("$cc" -print-file-name=libubsan.so)
if "$cc" --version | grep -q clang; then
  flags+=(-shared-libsan)
  preload=$("$cc" -print-file-name="libclang_rt.asan-$(uname -m).so")
fi
"$cc" "${flags[@]}" -I"$include" "$copy/livestyle/shaders/_grade.c" -o "$copy/livestyle/shaders/_grade.abi3.so" -lm
"$cc" "${flags[@]}" -I"$include" "$copy/livestyle/masks/_masks.c" -o "$copy/livestyle/masks/_masks.abi3.so" -lm

tests=("$@")
if [ ${#tests[@]} -eq 0 ]; then
  cd "$root/tests"
  tests=(shaders/test_c_arguments.py shaders/test_cpu.py contract/test_grade_contract.py masks/test_edges.py
         masks/test_flow.py masks/test_denoise.py)
  tests=("${tests[@]/#/$root/tests/}")
fi
cd "$root"
# Python's own allocator hides what is written beside a block; leaks are its own, at exit.
export PYTHONPATH=$copy PYTHONMALLOC=malloc UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_leaks=0
export LIVESTYLE_SANITIZED=$copy
LD_PRELOAD=$preload "$python" -m pytest -q -p no:cacheprovider "${tests[@]}"
