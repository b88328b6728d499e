// SPDX-License-Identifier: Apache-2.0

/// The text format of Prometheus, version 0.0.4.
enum PrometheusText {
    static func text(of families: [String: MetricRegistry.Family]) -> String {
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) where !family.cells.isEmpty {
            if !family.description.help.isEmpty { text += "# HELP \(name) \(escapedHelp(family.description.help))\n" }
            text += "# TYPE \(name) \(word(for: family.description.kind))\n"
            for (labels, cell) in family.cells.sorted(by: { $0.key < $1.key }) {
                switch cell {
                case .counter(let cell): text += "\(name)\(braced(labels)) \(cell.value)\n"
                case .gauge(let cell): text += "\(name)\(braced(labels)) \(number(cell.value))\n"
                case .histogram(let cell): text += lines(of: cell, name, labels)
                }
            }
        }
        return text
    }

    private static func lines(of cell: HistogramCell, _ name: String, _ labels: String) -> String {
        let values = cell.values
        let before = labels.isEmpty ? "" : labels + ","
        var text = ""
        var count: Int64 = 0
        for (place, inBucket) in values.counts.enumerated() {
            // Each bucket counts those below it too.
            count += inBucket
            let bound = place < cell.bounds.count ? number(cell.bounds[place]) : "+Inf"
            text += "\(name)_bucket{\(before)le=\"\(bound)\"} \(count)\n"
        }
        text += "\(name)_sum\(braced(labels)) \(number(values.sum))\n"
        text += "\(name)_count\(braced(labels)) \(count)\n"
        return text
    }

    private static func braced(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

    private static func word(for kind: MetricDescription.Kind) -> String {
        switch kind {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        }
    }

    /// A number as the format wants it: whole ones without a point.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let whole = Int64(exactly: value), abs(whole) < 1 << 53 { return "\(whole)" }
        return "\(value)"
    }

    /// A name with what may not stand in one replaced: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    static func name(_ text: String) -> String { cleaned(text, allowsColon: true) }

    /// Labels as they stand in braces, sorted by name. Of two with one name, the last counts. `le` is the name of a
    /// histogram's bounds and becomes `le_`.
    static func labels(_ dimensions: [(String, String)]) -> String {
        var values: [String: String] = [:]
        for (name, value) in dimensions {
            let name = cleaned(name, allowsColon: false)
            values[name == "le" ? "le_" : name] = value
        }
        return values.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(escaped($0.value))\"" }.joined(separator: ",")
    }

    private static func cleaned(_ text: String, allowsColon: Bool) -> String {
        var cleaned = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "a"..."z", "A"..."Z", "_": cleaned.unicodeScalars.append(scalar)
            case ":" where allowsColon: cleaned.unicodeScalars.append(scalar)
            case "0"..."9":
                if cleaned.isEmpty { cleaned = "_" }
                cleaned.unicodeScalars.append(scalar)
            default: cleaned += "_"
            }
        }
        return cleaned.isEmpty ? "_" : cleaned
    }

    private static func escaped(_ value: String) -> String {
        var escaped = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    private static func escapedHelp(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
