#!/bin/bash
# Any fastsfes command with the workers of a Dask cluster on many nodes; workers that die are replaced:
#   sbatch --nodes=8 jobs/dask.sh search --islands 512 --output RUN --continue
#   sbatch --nodes=8 jobs/dask.sh dataset build DATA --output FILE.h5
#SBATCH --job-name=fastsfes
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=16
#SBATCH --cpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

cluster=$PWD/dask-$SLURM_JOB_ID.json # on a file system that all nodes see
rm -f "$cluster"
python -m dask scheduler --scheduler-file "$cluster" --port 0 --no-dashboard &
scheduler=$!
srun --kill-on-bad-exit=0 python -m dask worker --scheduler-file "$cluster" --nthreads 1 --no-dashboard \
  --local-directory "${TMPDIR:-/tmp}" --death-timeout 120 &
workers=$!
fastsfes "$@" --executor "dask:$cluster" &
work=$!

# Slurm sends SIGUSR1 two minutes before the time is up: fastsfes stops at once and ends with status 75, queue again.
trap 'kill -USR1 $work' USR1
wait $work
status=$?
while [ $status -eq 138 ] && kill -0 $work 2>/dev/null; do # 138: the trap interrupted the wait
  wait $work
  status=$?
done
kill $workers $scheduler
rm -f "$cluster"
if [ $status -eq 75 ] || [ $status -eq 138 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit $status
