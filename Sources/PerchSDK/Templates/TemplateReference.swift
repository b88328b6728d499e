// SPDX-License-Identifier: Apache-2.0

/// `var.value.KEY`, `var.json.KEY.member` and `conn.ID.part`, as a template has them.
enum TemplateReference {
    static let roots = ["var", "conn"]
    static let noConnection =
        "what waits is stored and shown, so nothing of a connection may stand in it; name a secret by a reference such as "
        + "{\"secret\": \"conn:ID.password\"} where the trigger takes one"

    /// Whether a name is one of these.
    static func isReference(_ steps: [TemplateExpression.Step]) -> Bool {
        guard case .member(let first)? = steps.first else { return false }
        return roots.contains(first)
    }

    /// What is wrong with one, and what would be right; nil where nothing is.
    static func problem(of steps: [TemplateExpression.Step]) -> String? {
        guard case .member(let first)? = steps.first else { return nil }
        let text = TemplateNames.text(of: steps).shown()
        if first == "var" {
            guard steps.count > 2, case .member(let form) = steps[1], form == "value" || form == "json",
                case .member(let key) = steps[2]
            else { return "'\(text)' is unknown; there is var.value.KEY, and var.json.KEY.member of JSON" }
            if form == "value", steps.count > 3 {
                return "'var.value.\(key.shown(40))' has no members; a key with dots is written var.value['a.b'], and "
                    + "members of JSON var.json.KEY.member"
            }
            return nil
        }
        guard steps.count > 2, case .member = steps[1], case .member(let part) = steps[2],
            Connection.partNames.contains(part) || part == "extra_dejson"
        else {
            let parts = Connection.partNames.joined(separator: ", ")
            return "'\(text)' is unknown; there is conn.ID.PART, where the part is one of \(parts)"
        }
        if steps.count > 3, !part.hasPrefix("extra") { return "'\(part)' has no members; it stands alone" }
        return nil
    }

    /// What has to be looked up for one that is right.
    static func name(of steps: [TemplateExpression.Step]) -> SecretName? {
        guard steps.count > 2, case .member(let first) = steps[0] else { return nil }
        if first == "var", case .member(let key) = steps[2] { return SecretName(.variable, key) }
        if first == "conn", case .member(let id) = steps[1] { return SecretName(.connection, id) }
        return nil
    }

    /// Whether the value is the text itself, and not what its JSON holds.
    static func isText(_ steps: [TemplateExpression.Step]) -> Bool { steps[1] == .member("value") }

    /// What to say of one that did not resolve; nil where the name is another.
    static func absence(of steps: [TemplateExpression.Step], isThere: Bool) -> String? {
        guard let name = name(of: steps) else { return nil }
        let text = TemplateNames.text(of: steps).shown()
        if isThere { return "\(text) is null; write \(text) | default('…')" }
        switch name.kind {
        case .connection: return "\(text) does not resolve: \(name) has no such part, or there is none of that id"
        case .variable where isText(steps):
            return "\(text) does not resolve: there is no such variable; set it with `variables set`, or write "
                + "\(text) | default('…')"
        case .variable, .secret:
            return "\(text) does not resolve: there is no such variable, or it holds no JSON with that member"
        }
    }
}

extension TemplateCheck {
    /// What may not stand in a template whose text is stored and shown: connections.
    static func storedProblems(in text: String) -> [String] {
        names(in: text).compactMap { steps, position in
            steps.first == .member("conn") ? position.fault(TemplateReference.noConnection).message : nil
        }
    }

    /// What may not stand in a template of which no transaction looks anything up.
    static func fixedProblems(in text: String) -> [String] {
        names(in: text).compactMap { steps, position in
            TemplateReference.isReference(steps)
                ? position.fault("neither variables nor connections may stand here").message : nil
        }
    }
}
