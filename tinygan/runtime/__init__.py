"""What the processor and the device need to be kept busy; nothing here knows what is computed.

allocator.py     the C library told to keep what is freed
cores.py         how many cores there are to compute on
threads.py       tasks side by side within a process
scratch.py       memory for what a task needs only while it runs
workers.py       a process for each core
collectives.py   where these processes wait for each other and exchange values
graph.py         device work captured once as a CUDA graph and replayed
graph_inputs.py  what each replay is given
"""
