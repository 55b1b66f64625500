#!/bin/sh
# Write constraints.txt: make-constraints.sh PYTHON PIP-REQUIREMENT TORCH-REQUIREMENT
set -eu
python=$1 pip_requirement=$2 torch=$3
folder=.venv-constraints
"$python" -m venv --clear "$folder"
"$folder/bin/python" -m pip install --quiet --upgrade "$pip_requirement"
"$folder/bin/python" -m pip install "$torch" --editable . --group test --group lint
{
    cat <<TEXT
# The versions with which Perrin's environment is made and tested.
#
# Made by \`make constraints\` on $("$folder/bin/python" -c 'import platform; print("Python", platform.python_version())'): a fresh environment, the
# newest versions that pyproject.toml allows and $torch, then pip freeze without the
# project, pip, and the local part of versions ("+cpu"). Meant for Python 3.11 to 3.13.
TEXT
    "$folder/bin/python" -m pip freeze --all --exclude pip --exclude-editable | sed 's/+[A-Za-z0-9.]*$//'
} > constraints.txt.new
mv constraints.txt.new constraints.txt
rm -rf "$folder"
