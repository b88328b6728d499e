// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension Schema {
    /// What is wrong with a value, and where.
    struct Fault: Hashable {
        /// A JSON pointer into the document.
        var pointer: String
        var message: String
    }

    /// The first thing that is wrong with a value; nil where nothing is.
    func fault(in value: JSONValue, at pointer: String = "") -> Fault? {
        switch (self, value) {
        case (.any, _), (.map, .object), (.flag, .bool), (.text, .string), (.formed, .string), (.optional, .null):
            return nil
        case (.number, .integer), (.number, .number): return nil
        case (.integer(let range), .integer(let number)) where range.contains(number): return nil
        case (.choice(let names), .string(let text)) where names.contains(text): return nil
        case (.choices(let names), .array(let values)):
            for case .string(let text) in values where !names.contains(text) {
                return Fault(
                    pointer: pointer,
                    message: "\(Self.name(pointer)): there is no '\(text.shown(40))'; \(NearName.hint(text, names))")
            }
            return nil
        case (.instant, .string(let text)):
            do throws(PerchError) { _ = try Timestamp(parsing: text) } catch {
                return Fault(pointer: pointer, message: "\(Self.name(pointer)): \(error.message)")
            }
            return nil
        case (.span, .string(let text)), (.positiveSpan, .string(let text)):
            do throws(PerchError) {
                // What lies in the past has no length; and the longest of them cannot be turned round.
                guard try TimeSpan(parsing: text).microseconds >= (self == .positiveSpan ? 1 : 0) else {
                    let what = self == .positiveSpan ? "'\(text.shown(40))'" : "negative"
                    return Fault(pointer: pointer, message: "\(Self.name(pointer)) is to be \(words), and not \(what)")
                }
            } catch {
                return Fault(pointer: pointer, message: "\(Self.name(pointer)): \(error.message)")
            }
            return nil
        case (.list(let element, let most), .array(let values)) where values.count <= most:
            for (place, value) in values.enumerated() {
                if let fault = element.fault(in: value, at: "\(pointer)/\(place)") { return fault }
            }
            return nil
        case (.object(let fields), .object(let members)): return Self.fault(fields, members, pointer)
        case (.optional(let schema), _), (.named(_, let schema), _), (.selection(let schema), _):
            return schema.fault(in: value, at: pointer)
        default:
            return Fault(
                pointer: pointer, message: "\(Self.name(pointer)) is to be \(words), and is \(Self.words(of: value))")
        }
    }

    private static func fault(_ fields: [Field], _ members: [String: JSONValue], _ pointer: String) -> Fault? {
        let names = fields.map(\.name)
        if let stray = members.keys.sorted().first(where: { !names.contains($0) }) {
            return Fault(
                pointer: pointer + "/" + escaped(stray),
                message: "there is no field '\(stray.shown(40))'"
                    + (names.isEmpty ? ", nor any other here" : "; \(NearName.hint(stray, names))"))
        }
        for field in fields {
            let place = pointer + "/" + escaped(field.name)
            guard let value = members[field.name] else {
                guard field.isRequired else { continue }
                return Fault(pointer: place, message: "the field '\(field.name)' is missing: \(field.schema.words)")
            }
            if let fault = field.schema.fault(in: value, at: place) { return fault }
        }
        return nil
    }

    /// A value as it is looked at: where a whole number is wanted, one that was written with a fraction of nothing is one.
    func read(_ value: JSONValue) -> JSONValue {
        switch (self, value) {
        case (.integer, .number(let number)): Int64(exactly: number).map { .integer($0) } ?? value
        case (.list(let element, _), .array(let values)): .array(values.map(element.read))
        case (.object(let fields), .object(let members)):
            .object(
                members.merging(
                    fields.compactMap { field in members[field.name].map { (field.name, field.schema.read($0)) } }
                ) { $1 })
        case (.optional(let schema), _), (.named(_, let schema), _), (.selection(let schema), _): schema.read(value)
        default: value
        }
    }

    /// The value of a parameter, which is written as text.
    func value(ofText text: String) -> JSONValue {
        switch self {
        case .integer: Int64(text).map { .integer($0) } ?? .string(text)
        case .flag: text == "true" ? true : text == "false" ? false : .string(text)
        case .choices:
            .array(text.split(separator: ",", omittingEmptySubsequences: false).map { .string(String($0)) })
        case .optional(let schema), .named(_, let schema): schema.value(ofText: text)
        default: .string(text)
        }
    }

    private static func name(_ pointer: String) -> String {
        pointer.isEmpty ? "the body" : "'\(pointer.dropFirst().shown(60))'"
    }

    private static func escaped(_ name: String) -> String {
        name.replacing("~", with: "~0").replacing("/", with: "~1")
    }

    private static func words(of value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let flag): "\(flag)"
        case .integer(let number): "\(number)"
        case .number(let number): "\(number)"
        case .string(let text): "'\(text.shown(40))'"
        case .array(let values): "a list of \(values.count)"
        case .object: "an object"
        }
    }
}
