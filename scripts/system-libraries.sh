#!/bin/sh
# Make sure that a Qt window can open under a virtual display on this machine.
#
# Installs what is missing where that is possible without asking (Debian or Ubuntu, as root);
# elsewhere says what is missing and how to get it, and exits with 1. Quick when nothing is missing.
set -eu

[ "$(uname -s)" = Linux ] || exit 0

# "what to look for|Debian package that holds it"
NEEDED='xvfb-run|xvfb
xauth|xauth
libEGL.so.1|libegl1
libGL.so.1|libgl1
libOpenGL.so.0|libopengl0
libdbus-1.so.3|libdbus-1-3
libfontconfig.so.1|libfontconfig1
libglib-2.0.so.0|libglib2.0-0
libxkbcommon-x11.so.0|libxkbcommon-x11-0
libxcb-cursor.so.0|libxcb-cursor0
libxcb-icccm.so.4|libxcb-icccm4
libxcb-image.so.0|libxcb-image0
libxcb-keysyms.so.1|libxcb-keysyms1
libxcb-render-util.so.0|libxcb-render-util0
libxcb-shape.so.0|libxcb-shape0
libxcb-xinerama.so.0|libxcb-xinerama0
libxcb-xkb.so.1|libxcb-xkb1
swrast_dri.so|libgl1-mesa-dri'

libraries=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null || true)

is_there() {
    case $1 in
        swrast_dri.so) # the software renderer lies outside the linker's path
            for folder in /usr/lib*/dri /usr/lib/*/dri /usr/lib/*/libgallium-*.so; do
                [ -e "$folder" ] && return 0
            done
            return 1 ;;
        *.so.*) case $libraries in *"$1 "*) return 0 ;; *) return 1 ;; esac ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing() {
    echo "$NEEDED" | while IFS='|' read -r thing package; do
        is_there "$thing" || echo "$package"
    done
}

packages=$(missing | tr '\n' ' ')
[ -n "$packages" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing system libraries for a window under a virtual display: $packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update </dev/null || true
    # shellcheck disable=SC2086  # one argument per package is meant
    apt-get -qq install -y --no-install-recommends $packages </dev/null >/dev/null || true
    libraries=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null || true)
    packages=$(missing | tr '\n' ' ')
    [ -n "$packages" ] || exit 0
fi

cat >&2 <<TEXT
A Qt window under a virtual display needs system libraries that are missing here.
On Debian or Ubuntu:    sudo apt-get install $packages
Elsewhere, install the packages that hold:
$(echo "$NEEDED" | while IFS='|' read -r thing package; do is_there "$thing" || echo "    $thing"; done)
TEXT
exit 1
