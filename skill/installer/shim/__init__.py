"""The shim: a small program named `openclaw` that answers `skills run|config openclaw-iflow-doctor`
and passes all else on.

text.py what is written · place.py where · profiles.py the PATH line where no place precedes the
real program · aside.py when it is not needed any more · __main__.py what a caught call runs.
"""

MARK = "iflow-doctor shim"
