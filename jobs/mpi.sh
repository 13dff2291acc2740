#!/bin/bash
# Any fastsfes command with the ranks of an MPI job; the first one coordinates, the others work:
#   sbatch --nodes=8 jobs/mpi.sh search --islands 512 --output RUN --continue
#   sbatch --nodes=8 jobs/mpi.sh dataset build DATA --output FILE.h5
# MPI ends the whole job with the first rank that dies; Slurm then queues it again when a node was lost.
#SBATCH --job-name=fastsfes
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=16
#SBATCH --cpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# shellcheck disable=SC2086 # MPIEXEC_OPTIONS holds several words
mpiexec $MPIEXEC_OPTIONS -n "$SLURM_NTASKS" python -m mpi4py.futures -m fastsfes "$@" --executor mpi &
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
