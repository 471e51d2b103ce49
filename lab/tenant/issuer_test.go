package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"
)

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	keys, err := newKeyring()
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{name: "https://issuer", keys: keys, now: func() time.Time { return time.Unix(1000, 0) }}
}

func mint(t *testing.T, i *issuer, body string) tokenResponse {
	t.Helper()
	w := ask(t, i.handler(), "POST", "/token", body)
	var minted tokenResponse
	if err := json.Unmarshal(w.Body.Bytes(), &minted); err != nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return minted
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// verifies checks a token against a key set as a relying party would: by kid, with the key's own algorithm.
func verifies(t *testing.T, set jwks, token string) bool {
	t.Helper()
	parts := strings.Split(token, ".")
	var header struct{ Alg, Kid string }
	if err := json.Unmarshal(decode(t, parts[0]), &header); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature := decode(t, parts[2])
	number := func(text string) *big.Int { return new(big.Int).SetBytes(decode(t, text)) }
	for _, key := range set.Keys {
		if key.KeyID != header.Kid || key.Algorithm != header.Alg {
			continue
		}
		if key.KeyType == "RSA" {
			public := &rsa.PublicKey{N: number(key.N), E: int(number(key.E).Int64())}
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
		}
		public := &ecdsa.PublicKey{Curve: elliptic.P256(), X: number(key.X), Y: number(key.Y)}
		return len(signature) == 64 &&
			ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	}
	return false
}

func TestOnlyGoodTokensVerify(t *testing.T) {
	i := newIssuer(t)
	for body, want := range map[string]bool{
		``:                                      true,
		`{"alg":"RS256"}`:                       true,
		`{"alg":"ES256"}`:                       true,
		`{"signature":"bad"}`:                   false,
		`{"signature":"missing"}`:               false,
		`{"signature":"foreign"}`:               false,
		`{"alg":"none"}`:                        false,
		`{"alg":"HS256"}`:                       false,
		`{"kid":"unknown"}`:                     false,
		`{"alg":"ES256","signature":"foreign"}`: false,
	} {
		if got := verifies(t, i.keys.public(), mint(t, i, body).Token); got != want {
			t.Errorf("%s: verifies %v", body, got)
		}
	}
}

func TestClaimsAreLaidOverTheDefaultsAndNullTakesAway(t *testing.T) {
	claims := mint(t, newIssuer(t), `{"claims":{"role":"admin","sub":null},"expiresIn":"-1m"}`).Claims
	if claims["iss"] != "https://issuer" || claims["role"] != "admin" || claims["exp"] != 940.0 {
		t.Errorf("%v", claims)
	}
	if _, found := claims["sub"]; found {
		t.Errorf("sub is still there: %v", claims)
	}
}

func TestRotationWithdrawsKeysUnlessTheyAreKept(t *testing.T) {
	i := newIssuer(t)
	old := mint(t, i, ``)
	ask(t, i.handler(), "POST", "/rotate", `{"keep":true}`)
	if !verifies(t, i.keys.public(), old.Token) {
		t.Error("kept keys no longer verify")
	}
	if fresh := mint(t, i, ``); fresh.Header["kid"] == old.Header["kid"] {
		t.Error("the old key still signs")
	}
	ask(t, i.handler(), "POST", "/rotate", ``)
	if verifies(t, i.keys.public(), old.Token) || len(i.keys.public().Keys) != 2 {
		t.Error("withdrawn keys are still published")
	}
	body, _ := json.Marshal(tokenRequest{KeyID: old.Header["kid"].(string)})
	if again := mint(t, i, string(body)); again.Header["kid"] != old.Header["kid"] {
		t.Errorf("no token of a withdrawn key: %v", again.Header)
	}
}

func TestKeysCanBeHandedToAnotherRegionsIssuer(t *testing.T) {
	one, other := newIssuer(t), newIssuer(t)
	exported := ask(t, one.handler(), "GET", "/keys", "").Body.String()
	if w := ask(t, other.handler(), "PUT", "/keys", exported); w.Code != 200 {
		t.Fatal(w.Body)
	}
	for _, body := range []string{``, `{"alg":"ES256"}`} {
		if !verifies(t, one.keys.public(), mint(t, other, body).Token) {
			t.Errorf("%s: a token of the other region does not verify", body)
		}
	}
	if w := ask(t, other.handler(), "PUT", "/keys", `{"keys":[]}`); w.Code != 400 {
		t.Error("an empty set was taken")
	}
}

func TestUnknownWishesAreRefused(t *testing.T) {
	i := newIssuer(t)
	for _, body := range []string{`{"alg":"PS256"}`, `{"signature":"odd"}`, `{"claim":{}}`} {
		if w := ask(t, i.handler(), "POST", "/token", body); w.Code != 400 {
			t.Errorf("%s: %d", body, w.Code)
		}
	}
}
