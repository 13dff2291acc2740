#!/bin/bash
# A command in N independent parts, each a job of its own; parts may run in any order, at any time, and again:
#   parts=$(sbatch --parsable --array=1-8 jobs/array.sh 8 dataset build DATA --output FILE.h5 --work FOLDER)
#   sbatch --dependency=afterany:$parts jobs/node.sh dataset build DATA --output FILE.h5 --work FOLDER
# The second job is the one writer: it collects the parts, and computes what is missing.
#SBATCH --job-name=fastsfes
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log

parts=$1
shift
fastsfes "$@" --shard "$SLURM_ARRAY_TASK_ID/$parts" &
work=$!

# Slurm sends SIGUSR1 two minutes before the time is up: fastsfes stops at once and ends with status 75, queue again.
trap 'kill -USR1 $work' USR1
wait $work
status=$?
while [ $status -eq 138 ] && kill -0 $work 2>/dev/null; do # 138: the trap interrupted the wait
  wait $work
  status=$?
done
if [ $status -eq 75 ] || [ $status -eq 138 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit $status
