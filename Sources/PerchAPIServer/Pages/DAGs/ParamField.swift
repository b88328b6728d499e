// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A param of a DAG as a field of a form.
struct ParamField {
    /// What a form gives for it.
    enum Given {
        case given(JSONValue)
        /// Nothing: its default.
        case left
        case wrong(String)
    }

    let name: String
    private let schema: ParamSchema?
    /// Nil: a run has to be given one.
    private let standard: JSONValue?

    /// All of them, by name.
    static func all(of definition: DAGDefinition) -> [ParamField] {
        Set(definition.params.keys).union(definition.paramSchemas.keys).sorted().map { name in
            ParamField(name: name, schema: definition.paramSchemas[name], standard: definition.params[name])
        }
    }

    /// Apart from the form's own fields.
    var formName: String { "param." + name }

    /// Without a type it is what its default is: a text, or else JSON.
    private var isText: Bool {
        if let schema { return schema.kind == .string }
        if case .string? = standard { return true }
        return false
    }

    // MARK: reading

    func value(in form: FormFields) -> Given {
        guard let text = form[formName] else { return .left }
        if schema?.choices != nil, text.isEmpty { return standard == nil ? .wrong("choose one") : .left }
        let value: JSONValue
        if isText, schema?.choices == nil {
            // A form ends lines as the network does.
            value = .string(text.replacing("\r\n", with: "\n"))
        } else {
            guard let trimmed = form.text(formName) else {
                return standard == nil ? .wrong("a value is needed") : .left
            }
            do {
                value = try JSONValue(parsing: Array(trimmed.utf8))
            } catch {
                return .wrong("'\(trimmed.shown(40))' is no \(kindWords)")
            }
        }
        // A field that is left empty stands for the default, unless it is a text that may be empty.
        if let problem = schema?.problem(of: value) {
            if text.isEmpty, standard != nil { return .left }
            return .wrong("it \(problem)")
        }
        return .given(value)
    }

    private var kindWords: String {
        switch schema?.kind {
        case .integer: "whole number"
        case .number: "number"
        case .boolean: "true or false"
        case .array: "list in JSON, as [1, 2]"
        case .object: "object in JSON"
        case .string: "text"
        case nil: "JSON: a text stands in quotes"
        }
    }

    // MARK: showing

    func html(given: String?, fault: String?) -> HTML {
        var hints: [String] = []
        hints.append(bounds)
        if standard == nil { hints.append("It is needed.") }
        if let about = schema?.description { hints.append(about) }
        let field = FormField(
            name: formName, words: name, hint: hints.filter { !$0.isEmpty }.joined(separator: " "), fault: fault)
        return field.html { marks in input(given ?? standardText, marks) }
    }

    private var standardText: String {
        switch standard {
        case nil: ""
        case .string(let text)? where isText && schema?.choices == nil: text
        case let value?: value.text
        }
    }

    private var bounds: String {
        guard let schema else { return isText ? "" : "As JSON." }
        func text(_ number: Double) -> String { Int64(exactly: number).map { "\($0)" } ?? "\(number)" }
        var words = [schema.kind.rawValue]
        let unit =
            switch schema.kind {
            case .string: " characters"
            case .array: " elements"
            case .integer, .number, .boolean, .object: ""
            }
        switch (schema.minimum, schema.maximum) {
        case (let least?, let most?): words.append("\(text(least)) to \(text(most))\(unit)")
        case (let least?, nil): words.append("at least \(text(least))\(unit)")
        case (nil, let most?): words.append("at most \(text(most))\(unit)")
        case (nil, nil): break
        }
        if let pattern = schema.pattern { words.append("matches \(pattern)") }
        if let items = schema.items { words.append("of \(items.rawValue)") }
        let text = words.joined(separator: ", ") + "."
        return text.prefix(1).uppercased() + text.dropFirst()
    }

    private func input(_ value: String, _ marks: HTML) -> HTML {
        let required: HTML = .when(standard == nil && !isText, " required")
        if let choices = schema?.choices {
            return Self.select(choices.map { ($0.text, Self.words($0)) }, value, marks, mayBeNone: standard == nil)
        }
        switch schema?.kind {
        case .boolean?:
            return Self.select([("true", "true"), ("false", "false")], value, marks, mayBeNone: standard == nil)
        case .integer?: return "<input type=\"number\" step=\"1\" value=\"\(exact: value)\"\(marks)\(required)>"
        case .number?: return "<input type=\"number\" step=\"any\" value=\"\(exact: value)\"\(marks)\(required)>"
        case .array?, .object?: return Self.area(value, marks)
        case .string?, nil:
            let isLong = value.contains("\n") || value.utf8.count > 100
            return isLong
                ? Self.area(value, marks) : "<input type=\"text\" value=\"\(exact: value)\"\(marks)\(required)>"
        }
    }

    private static func words(_ value: JSONValue) -> String {
        if case .string(let text) = value { text } else { value.text }
    }

    /// The first line's end behind the tag is not part of the value.
    private static func area(_ value: String, _ marks: HTML) -> HTML {
        "<textarea rows=\"3\"\(marks)>\n\(exact: value)</textarea>"
    }

    private static func select(
        _ choices: [(value: String, words: String)], _ value: String, _ marks: HTML, mayBeNone: Bool
    ) -> HTML {
        let none: HTML = .when(mayBeNone, "<option value=\"\">–</option>")
        let options = choices.map { choice -> HTML in
            let mark: HTML = .when(choice.value == value, " selected")
            return "<option value=\"\(exact: choice.value)\"\(mark)>\(choice.words)</option>"
        }
        return "<select\(marks)>\(none)\(options)</select>"
    }
}
