// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK
internal import Synchronization

/// Where commands write: standard output for what was asked for, standard error for everything said about it.
///
/// A reader that goes away (`| head`) ends the command quietly; a full disk is an error.
final class Console: Sendable {
    static let shared = Console()

    let isTerminal: Bool
    /// The columns of the terminal; nil where standard output is none.
    let width: Int?
    private let pending = Mutex<[UInt8]>([])

    /// Whether colours may be written: to a terminal that knows them, of somebody who has not set `NO_COLOR`.
    var showsColours: Bool {
        let environment = ProcessEnvironment.current
        return isTerminal && environment["TERM"] != "dumb" && (environment["NO_COLOR"] ?? "").isEmpty
    }

    init() {
        isTerminal = isatty(STDOUT_FILENO) == 1
        var size = winsize()
        width =
            isTerminal && ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
    }

    /// Adds a line to standard output; `flush` sends what has gathered.
    func line(_ text: String) throws {
        let isFull = pending.withLock { bytes in
            bytes.append(contentsOf: text.utf8)
            bytes.append(UInt8(ascii: "\n"))
            return bytes.count > 1 << 16
        }
        if isFull { try flush() }
    }

    /// Adds bytes as they are.
    func raw(_ chunk: some Sequence<UInt8>) throws {
        let isFull = pending.withLock { bytes in
            bytes.append(contentsOf: chunk)
            return bytes.count > 1 << 16
        }
        if isFull { try flush() }
    }

    /// Sends what has gathered to standard output.
    func flush() throws {
        let bytes = pending.withLock { bytes in
            defer { bytes = [] }
            return bytes
        }
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EPIPE { exit(0) }
            guard count > 0 else {
                throw PerchError(.unavailable, "cannot write to standard output: \(String(cString: strerror(errno)))")
            }
            sent += count
        }
    }

    /// Says something on standard error, on one line, safe for a terminal.
    func say(_ text: String) {
        let bytes = Array((SafeText.neutralised(text) + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// Asks on standard error, without a line feed.
    func prompt(_ text: String) {
        let bytes = Array(SafeText.neutralised(text).utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
