#!/bin/sh
# Run a command with a virtual display on Linux, as it is elsewhere: with-display.sh COMMAND [ARGUMENT...]
#
# A virtual display even where there is a real one: no windows in anybody's way, the same size everywhere.
set -eu
if [ "$(uname -s)" != Linux ]; then
    exec "$@"
fi
sh "$(dirname "$0")/system-libraries.sh"
unset QT_QPA_PLATFORM WAYLAND_DISPLAY
exec xvfb-run --auto-servernum --server-args="-screen 0 1600x1200x24" "$@"
