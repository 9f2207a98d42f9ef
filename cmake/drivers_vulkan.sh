# SPDX-License-Identifier: Apache-2.0
# Vulkan drivers for `./run --setup`: lavapipe from the distribution, and SwiftShader, one shared object that
# Debian ships inside of its browser; validation layers for the tests. Sourced after setup.sh.

TN_VULKAN_PACKAGES="libvulkan1 mesa-vulkan-drivers vulkan-validationlayers"

# Each may fail alone. .drivers/vulkan.sh then names the manifests of those that are there.
tn_setup_drivers_vulkan() {
    local missing list="" d=$PWD/.drivers t
    mkdir -p .drivers/vulkan
    if command -v dpkg-query >/dev/null; then
        # shellcheck disable=SC2086
        missing=$(tn_setup_missing $TN_VULKAN_PACKAGES)
        # shellcheck disable=SC2086
        [ -z "$missing" ] || tn_setup_apt $missing || tn_setup_note "going on without lavapipe"
        if [ ! -e .drivers/vulkan/libvk_swiftshader.so ]; then
            t=$(mktemp -d)
            chmod 755 "$t"
            (cd "$t" && apt-get download -qq chromium-common >/dev/null 2>&1 && dpkg -x chromium-common*.deb x) &&
                cp "$t"/x/usr/lib/chromium/{libvk_swiftshader.so,vk_swiftshader_icd.json} .drivers/vulkan/ ||
                tn_setup_note "going on without SwiftShader"
            rm -rf "$t"
        fi
    fi
    for t in /usr/share/vulkan/icd.d/lvp_icd.*.json "$d/vulkan/vk_swiftshader_icd.json"; do
        [ ! -e "$t" ] || list="$list${list:+:}$t"
    done
    # Two names for the same: the second is that of older loaders.
    [ -z "$list" ] || printf '%s\n' "export VK_DRIVER_FILES=\${VK_DRIVER_FILES:-$list}" \
        "export VK_ICD_FILENAMES=\${VK_ICD_FILENAMES:-$list}" >.drivers/vulkan.sh
}
