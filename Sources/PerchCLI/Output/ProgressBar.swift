// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// How far long work has come, on one line of standard error that is written over. Silent where that is no terminal, and as
/// long as the work is over within half a second.
struct ProgressBar {
    /// Nil: nobody knows how much there is.
    private let total: Int?
    private let what: String
    private let isShown: Bool
    private let start: Timestamp
    private var shownAt: Timestamp?
    private(set) var done = 0

    private static let patience = TimeSpan(microseconds: 500_000)
    private static let period = TimeSpan(microseconds: 100_000)

    init(_ what: String, of total: Int?) {
        self.what = what
        self.total = total
        isShown = isatty(STDERR_FILENO) == 1
        start = SystemClock().now
    }

    /// So much more is done.
    mutating func advance(by count: Int = 1) {
        done += count
        guard isShown else { return }
        let now = SystemClock().now
        guard now - start >= Self.patience, shownAt.map({ now - $0 >= Self.period }) ?? true else { return }
        shownAt = now
        write("\r" + Self.line(what, done, total, after: now - start) + "\u{1B}[K")
    }

    /// Takes the line away.
    mutating func finish() {
        if shownAt != nil { write("\r\u{1B}[K") }
        shownAt = nil
    }

    /// `cleaning [#########           ] 45 %, 4500 of 10000, 2s left`.
    static func line(_ what: String, _ done: Int, _ total: Int?, after span: TimeSpan) -> String {
        guard let total, total > 0 else { return "\(what): \(done)" }
        let share = min(1, max(0, Double(done) / Double(total)))
        let width = 20
        let full = Int(share * Double(width))
        let bar = String(repeating: "#", count: full) + String(repeating: " ", count: width - full)
        var line = "\(what) [\(bar)] \(Int(share * 100)) %, \(done) of \(total)"
        if done > 0, done < total {
            let left = Double(span.microseconds) * (1 - share) / share / 1_000_000
            line += ", \(TimeSpan.seconds(Int64(min(left.rounded(.up), 1e9)))) left"
        }
        return line
    }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
