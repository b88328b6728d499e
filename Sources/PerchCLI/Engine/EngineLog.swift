// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Logging
internal import PerchSDK

/// Writes the engine's log to standard error, a line an entry: `time level component message key=value`.
struct EngineLogHandler: LogHandler {
    let component: String
    let clock: any PerchClock
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line =
            "\(clock.now) \(event.level.rawValue) \(component) \(SafeText.neutralised(event.message.description))"
        let all = event.metadata.map { metadata.merging($0) { $1 } } ?? metadata
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            line += " \(key)=\(Self.quoted("\(value)"))"
        }
        if let error = event.error, all["error"] == nil { line += " error=\(Self.quoted("\(error)"))" }
        // One write for a line: lines of several threads do not run into one another.
        let bytes = Array((line + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// A value bare where it is one word, else in quotes, so that a line can be taken apart again.
    static func quoted(_ value: String) -> String {
        let isWord =
            !value.isEmpty && value.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value < 0x7F && $0 != "\"" }
        return isWord ? value : SafeText.neutralised(JSONValue.string(value).text)
    }
}

/// Makes the loggers of an engine.
struct EngineLog: Sendable {
    let level: Logger.Level
    let clock: any PerchClock

    /// The logger of one component.
    func logger(_ component: String) -> Logger {
        Logger(label: "perch.\(component)") { _ in
            EngineLogHandler(component: component, clock: clock, logLevel: level)
        }
    }

    /// Warns where this machine's clock is another than the one that decides what is due: whoever compares the engine's log,
    /// or files, with what Perch shows has to know.
    func tellSkew(of deciding: any PerchClock) {
        let skew = (clock.now - deciding.now).microseconds
        guard abs(skew) > 1_000_000 else { return }
        let way = skew > 0 ? "ahead of" : "behind"
        logger("clock").warning(
            "this machine's clock is \(way) that of the metastore's server, which decides what is due",
            metadata: ["by_seconds": "\(abs(skew) / 1_000_000)"])
    }
}
