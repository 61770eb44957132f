"""The installer behind install.sh and install.bat. Standard library only: it runs before anything
is installed.

places.py where things go · bundle.py what is shipped · python_env.py the private environment ·
manifest.py what was done, for the way back · install.py and uninstall.py the two plans ·
selfcheck.py proof that it runs · main.py flags and printing.
"""
