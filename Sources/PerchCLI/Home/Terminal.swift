// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK
internal import Synchronization

/// The terminal of the process as a full screen: keys one by one, no echo, another screen that is given back at the end.
///
/// One at a time; signals that end the process give the screen back too.
struct Terminal: ~Copyable {
    /// What was set before. Written before the handlers are there, which only read it.
    nonisolated(unsafe) private static var before = termios()
    /// Set last: a terminal that was not taken is not given back.
    private let isTaken: Bool
    private static let enter = "\u{1B}[?1049h\u{1B}[?25l"
    private static let leave: StaticString = "\u{1B}[?25h\u{1B}[?1049l"

    /// Takes the screen.
    /// - Throws: `PerchError` (`unavailable`) where standard input or output is no terminal.
    init() throws {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, tcgetattr(STDIN_FILENO, &Self.before) == 0 else {
            throw PerchError(.unavailable, "a live view needs a terminal as standard input and output")
        }
        for number in [SIGTERM, SIGHUP, SIGQUIT, SIGINT] {
            signal(number) { number in
                Terminal.giveBack()
                _exit(128 + number)
            }
        }
        // So that a change of size ends a wait.
        signal(SIGWINCH) { _ in }
        var raw = Self.before
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
        guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) == 0 else {
            throw PerchError(.unavailable, "the terminal cannot be set: \(String(cString: strerror(errno)))")
        }
        try Console.shared.raw(Self.enter.utf8)
        try Console.shared.flush()
        isTaken = true
    }

    deinit { Self.giveBack() }

    /// Nothing here but what a signal handler may do.
    private static func giveBack() {
        _ = write(STDOUT_FILENO, leave.utf8Start, leave.utf8CodeUnitCount)
        tcsetattr(STDIN_FILENO, TCSANOW, &before)
    }

    /// The size at this moment.
    var size: Screen.Size {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return Screen.Size(columns: 80, rows: 24)
        }
        return Screen.Size(columns: Int(size.ws_col), rows: Int(size.ws_row))
    }

    /// What a person can ask a view for.
    enum Key: Hashable {
        case quit, up, down, pageUp, pageDown, top
    }

    /// The keys that have been pressed. The end of the input is a wish to quit.
    func keys() -> [Key] {
        var entry = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 0) > 0 else { return [] }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = read(STDIN_FILENO, &buffer, buffer.count)
        return count > 0 ? Self.keys(in: buffer[..<count]) : [.quit]
    }

    /// Reads what a terminal sends for keys; what means nothing here is passed over.
    static func keys(in bytes: ArraySlice<UInt8>) -> [Key] {
        var keys: [Key] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            switch byte {
            case 3, 4, UInt8(ascii: "q"), UInt8(ascii: "Q"): keys.append(.quit)
            case UInt8(ascii: "k"): keys.append(.up)
            case UInt8(ascii: "j"): keys.append(.down)
            case UInt8(ascii: "b"): keys.append(.pageUp)
            case UInt8(ascii: " "), UInt8(ascii: "f"): keys.append(.pageDown)
            case UInt8(ascii: "g"): keys.append(.top)
            case 0x1B:
                guard rest.first == UInt8(ascii: "[") || rest.first == UInt8(ascii: "O") else {
                    // Escape itself.
                    if rest.isEmpty { keys.append(.quit) }
                    continue
                }
                rest.removeFirst()
                let parameters = rest.prefix { $0 < 0x40 }
                rest.removeFirst(parameters.count)
                switch (rest.popFirst(), parameters.first) {
                case (UInt8(ascii: "A"), _): keys.append(.up)
                case (UInt8(ascii: "B"), _): keys.append(.down)
                case (UInt8(ascii: "H"), _), (UInt8(ascii: "~"), UInt8(ascii: "1")): keys.append(.top)
                case (UInt8(ascii: "~"), UInt8(ascii: "5")): keys.append(.pageUp)
                case (UInt8(ascii: "~"), UInt8(ascii: "6")): keys.append(.pageDown)
                default: break
                }
            default: break
            }
        }
        return keys
    }
}
