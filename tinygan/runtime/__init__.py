"""What the processor and the device need to be kept busy; nothing here knows what is computed.

cores.py, threads.py, scratch.py           the CPU's cores, tasks side by side on them, memory for a task while it runs
workers.py, sharedmemory.py                a process for each core, and how these exchange values
launched.py, ranks.py, mpi.py, nccl.py     ranks started by mpiexec or srun, and how these exchange values
collectives.py                             where processes of all these kinds wait for each other
graph.py                                   device work captured once as a CUDA graph and replayed, and its inputs
recording.py, traced.py, arena.py          NumPy calls written down once and made again, their arrays, their memory
"""
