"""What the processor and the device need to be kept busy; nothing here knows what is computed.

threads.py       tasks side by side within a process, and scratch memory for each
workers.py       a process for each core
collectives.py   where these processes wait for each other and exchange values
graph.py         device work captured once as a CUDA graph and replayed
graph_inputs.py  what each replay is given
"""
