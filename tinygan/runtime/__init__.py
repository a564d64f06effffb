"""What the processor and the device need to be kept busy; nothing here knows what is computed.

cores.py         how many cores there are to compute on
threads.py       tasks side by side within a process
scratch.py       memory for what a task needs only while it runs
workers.py       a process for each core
collectives.py   where processes that work together wait for each other and exchange values
sharedmemory.py  how forked ones do that
mpi.py           how ranks do that which mpiexec or srun has started
nccl.py          how ranks with a GPU each do that
ranks.py         what the first of these asks of all
launched.py      recognises ranks, and has all but the first serve it
graph.py         device work captured once as a CUDA graph and replayed, and what each replay is given
recording.py     NumPy calls written down once and made again; traced.py, the arrays that tell of them
arena.py         the memory of what is written down
"""
