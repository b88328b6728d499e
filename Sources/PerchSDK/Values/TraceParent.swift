// SPDX-License-Identifier: Apache-2.0

/// A place in a trace, as the header `traceparent` of W3C Trace Context writes it.
public struct TraceParent: Sendable, Hashable {
    /// 32 hexadecimal digits in lower case, not all zero.
    public var traceID: String
    /// The span that what follows belongs under: 16 hexadecimal digits in lower case, not all zero.
    public var spanID: String
    /// Bit 0: whether the trace is recorded.
    public var flags: UInt8

    /// A place from its parts, which are taken as they are.
    init(traceID: String, spanID: String, flags: UInt8) {
        self.traceID = traceID
        self.spanID = spanID
        self.flags = flags
    }

    /// Reads `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`; nil for what is none. Of a version to come the parts
    /// that this one knows are read.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count >= 55, bytes.count <= 512, bytes[2] == UInt8(ascii: "-"), bytes[35] == UInt8(ascii: "-"),
            bytes[52] == UInt8(ascii: "-")
        else { return nil }
        func digits(_ range: Range<Int>) -> String? {
            let part = bytes[range]
            let isHex = part.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            }
            return isHex ? String(decoding: part, as: UTF8.self) : nil
        }
        guard let version = digits(0..<2), version != "ff", let trace = digits(3..<35), let span = digits(36..<52),
            let flags = digits(53..<55).flatMap({ UInt8($0, radix: 16) }), trace.contains(where: { $0 != "0" }),
            span.contains(where: { $0 != "0" })
        else { return nil }
        guard version == "00" ? bytes.count == 55 : bytes.count == 55 || bytes[55] == UInt8(ascii: "-") else {
            return nil
        }
        self.init(traceID: trace, spanID: span, flags: flags)
    }

    /// Whether whoever has begun the trace records it.
    public var isSampled: Bool { flags & 1 == 1 }

    /// As the header has it.
    public var text: String {
        let digits = String(flags, radix: 16)
        return "00-\(traceID)-\(spanID)-\(digits.count == 1 ? "0" : "")\(digits)"
    }
}

/// The ids of the spans of one run. They follow from the run's names alone, so that every process of every machine has the same
/// ones and nobody stores them; only where a run belongs into another trace is that known of its row.
package struct RunTrace: Sendable, Hashable {
    /// Where the run belongs; nil: it is a trace of its own.
    package let parent: TraceParent?
    package let traceID: String
    /// The span of the run.
    package let runSpan: String

    /// - Parameter traceparent: what the run's row has of it.
    package init(dagID: String, runID: String, runKey: Int64, traceparent: String?) {
        parent = traceparent.flatMap { TraceParent($0) }
        let name = [dagID, runID, String(runKey)]
        traceID = parent?.traceID ?? Self.digits(["trace"] + name)
        runSpan = Self.span(["run"] + name)
    }

    /// The span of one try.
    package func attempt(taskID: String, mapIndex: Int, tryNumber: Int) -> String {
        Self.span([runSpan, "try", taskID, String(mapIndex), String(tryNumber)])
    }

    /// The span of what the journal of a try has under a key.
    package static func entry(_ key: String, of attempt: String) -> String { span([attempt, "entry", key]) }

    /// What is handed to those who go on under a span.
    package func traceparent(under span: String) -> String {
        TraceParent(traceID: traceID, spanID: span, flags: parent?.flags ?? 1).text
    }

    /// Whether its spans are to be told of: whoever has begun the trace decides.
    package var isSampled: Bool { parent?.isSampled ?? true }

    private static func span(_ parts: [String]) -> String { String(digits(parts).prefix(16)) }

    /// 32 digits, of which neither half is all zero. Mixed, for a collector may choose traces by some of their bits.
    private static func digits(_ parts: [String]) -> String {
        var hash = StableHash128()
        for part in parts { hash.combine(part) }
        let text = hash.text
        let halves = [text.prefix(16), text.suffix(16)].map { mixed(UInt64($0, radix: 16) ?? 0) }
        return halves.map { half in
            let digits = String(half == 0 ? 1 : half, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// The last step of SplitMix64: every bit of the result depends on every bit.
    private static func mixed(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
