# Sourced by the sbatch files with the settings and options of livestyle-train as arguments.
#
# One task for each GPU: srun starts livestyle-train with the variables that torchrun would set, and signals reach each
# process directly. Shortly before the time limit Slurm sends USR1 to this script (--signal in the sbatch files); every
# process then writes its checkpoint and ends with 75, and the job is put back into the queue. A preempted job is put
# back by Slurm itself after TERM, which has the same effect. Either way the next start goes on from the checkpoint.

head_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_ADDR="$head_node"
export MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))

out_of_time=0
trap 'out_of_time=1; scancel --signal=USR1 "$SLURM_JOB_ID"' USR1

srun --kill-on-bad-exit=0 bash -c \
  'RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID WORLD_SIZE=$SLURM_NTASKS exec livestyle-train "$@"' train "$@" &
step=$!
wait "$step"
status=$?
while kill -0 "$step" 2>/dev/null; do # a trapped signal ends `wait` before srun has ended
  wait "$step"
  status=$?
done

if [ "$out_of_time" = 1 ] && [ "$status" = 75 ]; then
  echo "Out of time after a checkpoint: back into the queue."
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
