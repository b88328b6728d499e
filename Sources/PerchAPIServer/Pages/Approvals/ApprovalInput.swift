// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersApproval

/// A field of an approval as a field of a form on a page.
struct ApprovalInput {
    let field: ApprovalField

    /// Before every such name: the form has fields of its own.
    static let prefix = "field."
    var formName: String { Self.prefix + field.name }

    // MARK: reading

    /// What a form gives for it; a yes needs what is required, a no does not.
    func value(in form: FormFields, _ decision: ApprovalAnswer.Decision) -> ParamField.Given {
        let text: String?
        if field.kind == .string {
            // An empty text is nothing, except where another one stands for nothing.
            text = form[formName].map(\.withPlainLines).flatMap { $0.isEmpty && field.defaultValue == nil ? nil : $0 }
        } else {
            text = form.text(formName)
        }
        guard let text else {
            let isMissing = decision == .approve && field.isRequired && field.defaultValue == nil
            return isMissing ? .wrong("it is needed: \(field.wanted)") : .left
        }
        do throws(PerchError) {
            return .given(try field.parsed(text))
        } catch {
            return .wrong("it is \(field.wanted), not '\(text.shown(60))'")
        }
    }

    // MARK: showing

    /// - Parameter given: What stood in it when it was sent; nil: it is shown for the first time.
    func html(given: String?, fault: String?) -> HTML {
        let input = FormField(
            name: formName, words: field.label.flatMap { $0.isEmpty ? nil : $0 } ?? field.name, hint: hint, fault: fault
        )
        let value = given ?? standard
        switch field.kind {
        case .string:
            return value.contains("\n") || value.utf8.count > 100 ? input.area(value) : input.line(value)
        case .int: return input.line(value, type: "number", " step=\"1\"")
        case .number: return input.line(value, type: "number", " step=\"any\"")
        case .bool: return input.select(choices(["true", "false"]), value)
        case .choice: return input.select(choices(field.choices ?? []), value)
        }
    }

    /// A value that is none of them is shown, too: whoever has sent it is to see it.
    private func choices(_ values: [String]) -> [FormField.Choice] {
        (field.defaultValue == nil ? [FormField.Choice("", "–")] : []) + values.map { FormField.Choice($0, $0) }
    }

    private var standard: String {
        switch field.defaultValue {
        case nil: ""
        case .string(let text)?: text
        case let value?: value.text
        }
    }

    private var hint: String {
        let kind =
            switch field.kind {
            case .string: "A text."
            case .int: "A whole number."
            case .number: "A number."
            case .bool: "True or false."
            case .choice: "One of these."
            }
        if let standard = field.defaultValue { return "\(kind) Without it: \(standard.text.shown(80))" }
        return field.isRequired ? "\(kind) An approval needs it." : "\(kind) It may be left out."
    }
}
