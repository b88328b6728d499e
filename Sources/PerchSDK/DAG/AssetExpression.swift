// SPDX-License-Identifier: Apache-2.0

/// Assets whose updates start a run together: `"orders" & ("rates" | "rates-fallback")`.
public indirect enum AssetExpression: Hashable, Sendable, ExpressibleByStringLiteral {
    case asset(Asset)
    case all([AssetExpression])
    case any([AssetExpression])

    /// One asset by its name.
    public init(stringLiteral name: String) { self = .asset(Asset(name)) }

    /// Both.
    public static func & (left: AssetExpression, right: AssetExpression) -> AssetExpression {
        if case .all(let members) = left { .all(members + [right]) } else { .all([left, right]) }
    }

    /// Either.
    public static func | (left: AssetExpression, right: AssetExpression) -> AssetExpression {
        if case .any(let members) = left { .any(members + [right]) } else { .any([left, right]) }
    }

    /// The assets in it, each once, in the order in which they come up; and what is asked of them by their places.
    var parts: (assets: [Asset], expression: EventExpression) {
        var assets: [Asset] = []
        let expression = numbered(&assets)
        return (assets, expression)
    }

    private func numbered(_ assets: inout [Asset]) -> EventExpression {
        switch self {
        case .asset(let asset):
            if let place = assets.firstIndex(of: asset) { return .pattern(place) }
            assets.append(asset)
            return .pattern(assets.count - 1)
        case .all(let members): return .all(members.map { $0.numbered(&assets) })
        case .any(let members): return .any(members.map { $0.numbered(&assets) })
        }
    }
}

// Names alone are expressions: with these overloads beside them they would be ambiguous.
extension Asset {
    /// Both.
    @_disfavoredOverload
    public static func & (left: Asset, right: Asset) -> AssetExpression { .asset(left) & .asset(right) }
    /// Either.
    @_disfavoredOverload
    public static func | (left: Asset, right: Asset) -> AssetExpression { .asset(left) | .asset(right) }
    /// Both.
    @_disfavoredOverload
    public static func & (left: Asset, right: AssetExpression) -> AssetExpression { .asset(left) & right }
    /// Either.
    @_disfavoredOverload
    public static func | (left: Asset, right: AssetExpression) -> AssetExpression { .asset(left) | right }
    /// Both.
    @_disfavoredOverload
    public static func & (left: AssetExpression, right: Asset) -> AssetExpression { left & .asset(right) }
    /// Either.
    @_disfavoredOverload
    public static func | (left: AssetExpression, right: Asset) -> AssetExpression { left | .asset(right) }
}
