@echo off
rem Install, upgrade or remove openclaw-iflow-doctor for this user. cmd only: no PowerShell, no administrator rights.
rem   install.bat [--dry-run] [--yes] [--no-service] [--no-shim] [--with-plugin] [--prefix DIR] [--wheelhouse DIR] [--lang LANG]
rem   install.bat --uninstall [--purge]
rem This script only finds a Python; the work is done by skill\installer (standard library), the same on every system.
setlocal EnableExtensions DisableDelayedExpansion
set "HERE=%~dp0"
set "HERE=%HERE:~0,-1%"
if not exist "%HERE%\skill\installer\main.py" goto incomplete
set "TEST=import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 8))"
set "START=import sys; sys.path.insert(0, sys.argv[1]); from skill.installer.main import main; sys.exit(main(sys.argv[1], sys.argv[2:]))"
set "PYTHON="
if not defined IFLOW_DOCTOR_PYTHON goto launcher
"%IFLOW_DOCTOR_PYTHON%" -I -c "%TEST%" >nul 2>nul
if not errorlevel 1 set "PYTHON=%IFLOW_DOCTOR_PYTHON%"
if defined PYTHON goto run

:launcher
rem Second choice: the launcher that python.org installs.
rem py.exe comes with Python from python.org; python.exe may be the Store's stub, which fails the test and is passed over.
py -3 -I -c "%TEST%" >nul 2>nul
if not errorlevel 1 goto run_launcher
for %%P in (python.exe python3.exe) do if not defined PYTHON call :try "%%~$PATH:P"
if defined PYTHON goto run
echo Python 3.8 or newer was not found. Install it from https://www.python.org/downloads/windows/ and run this again. 1>&2
exit /b 2

:try
rem Takes one candidate; sets PYTHON when it is new enough and can make environments.
if "%~1"=="" exit /b 0
"%~1" -I -c "%TEST%" >nul 2>nul
if not errorlevel 1 set "PYTHON=%~1"
exit /b 0

:run
rem Hands over to the installer with the Python that was found.
"%PYTHON%" -B -I -X utf8 -c "%START%" "%HERE%" %*
exit /b %ERRORLEVEL%

:run_launcher
rem The same through the launcher.
py -3 -B -I -X utf8 -c "%START%" "%HERE%" %*
exit /b %ERRORLEVEL%

:incomplete
rem Started without the files that ship beside it.
echo install.bat needs the files that ship beside it: unpack the whole archive first. 1>&2
exit /b 2
