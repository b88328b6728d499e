// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// A password that somebody chooses: never an argument, which everybody on the machine can read.
enum NewPassword {
    /// Asks for it twice without showing it; where standard input is no terminal, its first line is the password.
    /// - Throws: `PerchError` (`invalid`) where there is none, or the two are not the same.
    static func read(for name: String) throws -> String {
        guard isatty(STDIN_FILENO) == 1 else {
            guard let line = readLine(strippingNewline: true), !line.isEmpty else {
                throw PerchError(.invalid, "there is no password: it is the first line of standard input")
            }
            return line
        }
        let first = try hidden("password for \(name): ")
        guard try hidden("once more: ") == first else { throw PerchError(.invalid, "the two are not the same") }
        return first
    }

    private static func hidden(_ question: String) throws -> String {
        var before = termios()
        guard tcgetattr(STDIN_FILENO, &before) == 0 else {
            throw PerchError(.unavailable, "the terminal cannot be read: \(String(cString: strerror(errno)))")
        }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0 else {
            throw PerchError(.unavailable, "the terminal cannot be set: \(String(cString: strerror(errno)))")
        }
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
            Console.shared.prompt("\n")
        }
        Console.shared.prompt(question)
        guard let line = readLine(strippingNewline: true), !line.isEmpty else {
            throw PerchError(.invalid, "there is no password")
        }
        return line
    }
}
