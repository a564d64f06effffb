"""How the book is built: `make book`. Every chapter is executed; a warning is an error."""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "tinygan, the book"
author = "the authors of tinygan"
html_title = "tinygan, the book"
extensions = ["myst_nb", "excerpts", "mathml"]
myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
exclude_patterns = ["_build", "jupyter_execute"]

# Kernels run with an empty profile of their own: nobody's settings, and no word about TCP on this machine alone.
_profile = tempfile.TemporaryDirectory(prefix="tinygan-book-")
os.environ["IPYTHONDIR"] = _profile.name
(Path(_profile.name) / "profile_default").mkdir()
(Path(_profile.name) / "profile_default" / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 'ERROR'\n")

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_execution_show_tb = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"

html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["book.css"]
html_css_files = ["book.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"sidebar_hide_name": False}
pygments_style = "friendly"
pygments_dark_style = "native"
