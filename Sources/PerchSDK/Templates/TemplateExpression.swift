// SPDX-License-Identifier: Apache-2.0

/// What stands between `{{` and `}}`: a value and the filters through which it goes.
struct TemplateExpression: Sendable, Hashable {
    indirect enum Value: Sendable, Hashable {
        case literal(JSONValue)
        case name([Step])
        case addDays(TemplateExpression, TemplateExpression)
    }

    enum Step: Sendable, Hashable {
        case member(String)
        case element(Int)
    }

    struct Filter: Sendable, Hashable {
        var kind: FilterKind
        var argument: JSONValue?
        var position: TemplatePosition
    }

    enum FilterKind: String, Sendable, CaseIterable {
        case upper, lower, trim, tojson, ds, ts
        case dsNoDash = "ds_nodash"
        case tsNoDash = "ts_nodash"
        case otherwise = "default"
    }

    var value: Value
    var filters: [Filter] = []
    var position: TemplatePosition

    /// The expression's value as it stands in the rendered string.
    func text(in scope: TemplateScope) throws(PerchError) -> String {
        switch try evaluate(in: scope) {
        case .string(let text): return text
        case .null: throw position.fault("\(shown) is null; give it a value, or write \(shown) | default('…')")
        case let other: return other.text
        }
    }

    func evaluate(in scope: TemplateScope) throws(PerchError) -> JSONValue {
        var current = try base(in: scope)
        for filter in filters {
            guard let value = current, value != .null || filter.kind == .otherwise || filter.kind == .tojson else {
                if filter.kind == .otherwise {
                    current = filter.argument
                    continue
                }
                throw missing(current)
            }
            current = try apply(filter, to: value)
        }
        guard let current else { throw missing(nil) }
        return current
    }

    /// The value before the filters; nil where a param is missing, which `default` may mend.
    private func base(in scope: TemplateScope) throws(PerchError) -> JSONValue? {
        switch value {
        case .literal(let value):
            return value
        case .name(let steps):
            if let problem = TemplateNames.problem(of: steps) ?? scope.values.refusal(of: steps) {
                throw position.fault(problem)
            }
            return scope.value(of: steps)
        case .addDays(let date, let days):
            guard case .string(let text) = try date.evaluate(in: scope) else {
                throw date.position.fault("ds_add takes a date first, such as ds")
            }
            guard case .integer(let count) = try days.evaluate(in: scope), count.magnitude <= 4_000_000 else {
                throw days.position.fault("ds_add takes a whole number of days second")
            }
            let instant = try Self.instant(text, date.position)
            return .string((instant + .seconds(count * 86_400)).dateText)
        }
    }

    private func apply(_ filter: Filter, to value: JSONValue) throws(PerchError) -> JSONValue {
        switch filter.kind {
        case .otherwise: return value == .null ? filter.argument ?? .null : value
        case .tojson: return .string(value.text)
        case .upper: return .string(Self.plain(value).uppercased())
        case .lower: return .string(Self.plain(value).lowercased())
        case .trim:
            let text = Self.plain(value)
            let head = text.drop(while: \.isWhitespace)
            return .string(String(head.reversed().drop(while: \.isWhitespace).reversed()))
        case .ds, .ts, .dsNoDash, .tsNoDash:
            guard case .string(let text) = value else {
                throw filter.position.fault("'\(filter.kind.rawValue)' takes an instant, such as data_interval_end")
            }
            let instant = try Self.instant(text, filter.position)
            switch filter.kind {
            case .ds: return .string(instant.dateText)
            case .ts: return .string(instant.description)
            case .dsNoDash: return .string(instant.dateTextWithoutDashes)
            default: return .string(instant.textWithoutDashes)
            }
        }
    }

    private static func instant(_ text: String, _ position: TemplatePosition) throws(PerchError) -> Timestamp {
        do {
            return try Timestamp(parsing: text)
        } catch {
            throw position.fault(error.message)
        }
    }

    private static func plain(_ value: JSONValue) -> String {
        if case .string(let text) = value { text } else { value.text }
    }

    private func missing(_ value: JSONValue?) -> PerchError {
        if case .name(let steps) = self.value, steps.first == .member("element") {
            return position.fault("\(shown) \(value == nil ? "is not in the element of this instance" : "is null")")
        }
        if case .name(let steps) = self.value, let text = TemplateReference.absence(of: steps, isThere: value != nil) {
            return position.fault(text)
        }
        let state = value == nil ? "does not resolve: the run has no such param" : "is null"
        return position.fault(
            "\(shown) \(state); give it a default in the DAG's params, or write \(shown) | default('…')")
    }

    /// The value as it was written, for errors.
    private var shown: String {
        guard case .name(let steps) = value else { return "the value" }
        return TemplateNames.text(of: steps).shown()
    }
}
