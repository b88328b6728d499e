// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

extension BundleHost {
    /// Moves the socket away from standard input, so that the code of tasks cannot read it, and makes printed lines leave
    /// at once. Returns the socket.
    static func setUpProcess(_ descriptor: Int32) -> Int32 {
        let socket = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        let null = open("/dev/null", O_RDONLY)
        if descriptor <= 2, null >= 0 { dup2(null, descriptor) } else { close(descriptor) }
        if null > 2 { close(null) }
        clinux_line_buffer_output()
        return socket
    }

    /// The identity of the executable's file: its size and the time of its last change.
    static func versionOfExecutable() -> String {
        var status = stat()
        guard stat("/proc/self/exe", &status) == 0 else { return "unknown" }
        let time = UInt64(bitPattern: Int64(status.st_mtim.tv_sec)) &* 1_000_000_000 &+ UInt64(status.st_mtim.tv_nsec)
        return String(time, radix: 16) + "-" + String(status.st_size, radix: 16)
    }
}

/// Writes a line about the bundle itself where the engine finds it.
func write(to descriptor: Int32, _ text: String) {
    var copy = text
    copy.withUTF8 { _ = Glibc.write(descriptor, $0.baseAddress, $0.count) }
}
