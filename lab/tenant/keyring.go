package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
)

const rsaBits = 2048

// signingKey is one key of the issuer; its id is drawn from the public key, so that copies agree on it.
type signingKey struct {
	id, algorithm string
	private       crypto.Signer
}

// jwk is one public key as RFC 7517 and RFC 7518 write it.
type jwk struct {
	KeyType   string `json:"kty"`
	KeyID     string `json:"kid"`
	Algorithm string `json:"alg"`
	Use       string `json:"use"`
	N         string `json:"n,omitempty"`
	E         string `json:"e,omitempty"`
	Curve     string `json:"crv,omitempty"`
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
}

type jwks struct {
	Keys []jwk `json:"keys"`
}

type exportedKey struct {
	Algorithm string `json:"alg"`
	PEM       string `json:"pem"`
}

type exportedKeys struct {
	Keys []exportedKey `json:"keys"`
}

// keyring holds the published keys, newest first, and those withdrawn since: proofs need tokens of withdrawn keys.
type keyring struct {
	mu        sync.Mutex
	published []signingKey
	withdrawn []signingKey
}

func newKeyring() (*keyring, error) {
	k := &keyring{}
	return k, k.rotate(false)
}

func newKey(algorithm string) (signingKey, error) {
	var private crypto.Signer
	var err error
	switch algorithm {
	case "RS256":
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		err = fmt.Errorf("no key for algorithm %q: RS256 and ES256 are known", algorithm)
	}
	if err != nil {
		return signingKey{}, err
	}
	return describe(algorithm, private)
}

func describe(algorithm string, private crypto.Signer) (signingKey, error) {
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return signingKey{}, err
	}
	digest := sha256.Sum256(der)
	return signingKey{id: hex.EncodeToString(digest[:8]), algorithm: algorithm, private: private}, nil
}

// rotate puts a new RSA and a new EC key in front; keep leaves the old ones published.
func (k *keyring) rotate(keep bool) error {
	fresh := make([]signingKey, 0, 2)
	for _, algorithm := range []string{"RS256", "ES256"} {
		key, err := newKey(algorithm)
		if err != nil {
			return err
		}
		fresh = append(fresh, key)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if keep {
		k.published = append(fresh, k.published...)
		return nil
	}
	k.withdrawn = append(k.published, k.withdrawn...)
	k.published = fresh
	return nil
}

func (k *keyring) public() jwks {
	k.mu.Lock()
	defer k.mu.Unlock()
	set := jwks{Keys: make([]jwk, 0, len(k.published))}
	for _, key := range k.published {
		entry := jwk{KeyID: key.id, Algorithm: key.algorithm, Use: "sig"}
		switch public := key.private.Public().(type) {
		case *rsa.PublicKey:
			entry.KeyType = "RSA"
			entry.N = encode(public.N.Bytes())
			entry.E = encode(big.NewInt(int64(public.E)).Bytes())
		case *ecdsa.PublicKey:
			// The uncompressed point is 0x04, X and Y, each of the curve's size.
			point, err := public.Bytes()
			if err != nil {
				continue
			}
			half := len(point) / 2
			entry.KeyType, entry.Curve = "EC", "P-256"
			entry.X, entry.Y = encode(point[1:half+1]), encode(point[half+1:])
		}
		set.Keys = append(set.Keys, entry)
	}
	return set
}

func (k *keyring) export() (exportedKeys, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out exportedKeys
	for _, key := range k.published {
		der, err := x509.MarshalPKCS8PrivateKey(key.private)
		if err != nil {
			return out, err
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		out.Keys = append(out.Keys, exportedKey{Algorithm: key.algorithm, PEM: string(block)})
	}
	return out, nil
}

// load publishes the given keys instead of the present ones.
func (k *keyring) load(given exportedKeys) error {
	if len(given.Keys) == 0 {
		return errors.New("no keys given")
	}
	loaded := make([]signingKey, 0, len(given.Keys))
	for _, one := range given.Keys {
		block, _ := pem.Decode([]byte(one.PEM))
		if block == nil {
			return errors.New("a key is no PEM")
		}
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return err
		}
		signer, usable := parsed.(crypto.Signer)
		if !usable {
			return fmt.Errorf("a %T cannot sign", parsed)
		}
		key, err := describe(one.Algorithm, signer)
		if err != nil {
			return err
		}
		loaded = append(loaded, key)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.withdrawn = append(k.published, k.withdrawn...)
	k.published = loaded
	return nil
}

// choose finds the key that a token asks for, among the withdrawn ones too; an unknown id falls back to the newest key.
func (k *keyring) choose(algorithm, id string) (signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	matches := func(s signingKey) bool { return s.id == id && s.algorithm == algorithm }
	for _, keys := range [][]signingKey{k.published, k.withdrawn} {
		if at := slices.IndexFunc(keys, matches); at >= 0 {
			return keys[at], nil
		}
	}
	at := slices.IndexFunc(k.published, func(s signingKey) bool { return s.algorithm == algorithm })
	if at < 0 {
		return signingKey{}, fmt.Errorf("no key for algorithm %q: RS256, ES256, HS256 and none are known", algorithm)
	}
	return k.published[at], nil
}

// sign makes a compact JWS (RFC 7515) of claims, spoilt as signature asks.
func (k *keyring) sign(claims map[string]any, algorithm, id, signature string) (string, map[string]any, error) {
	if algorithm == "" {
		algorithm = "RS256"
	}
	family := algorithm
	if algorithm == "none" || algorithm == "HS256" {
		family = "RS256"
	}
	key, err := k.choose(family, id)
	if err != nil {
		return "", nil, err
	}
	if id == "" {
		id = key.id
	}
	if signature == "foreign" {
		if key, err = newKey(family); err != nil {
			return "", nil, err
		}
	}
	header := map[string]any{"alg": algorithm, "typ": "JWT", "kid": id}
	input, err := signingInput(header, claims)
	if err != nil {
		return "", nil, err
	}
	sealed, err := key.seal(algorithm, input)
	if err != nil {
		return "", nil, err
	}
	switch signature {
	case "", "good", "foreign":
	case "bad":
		if len(sealed) > 0 {
			sealed[0] ^= 0xff
		}
	case "missing":
		sealed = nil
	default:
		return "", nil, fmt.Errorf("signature %q is none of good, bad, missing, foreign", signature)
	}
	return input + "." + encode(sealed), header, nil
}

func (s signingKey) seal(algorithm, input string) ([]byte, error) {
	digest := sha256.Sum256([]byte(input))
	switch private := s.private.(type) {
	case *rsa.PrivateKey:
		switch algorithm {
		case "none":
			return nil, nil
		case "HS256":
			der, err := x509.MarshalPKIXPublicKey(private.Public())
			if err != nil {
				return nil, err
			}
			code := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
			code.Write([]byte(input))
			return code.Sum(nil), nil
		}
		return rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		r, sigma, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			return nil, err
		}
		// RFC 7518 3.4: both numbers at the curve's full width, one after the other.
		fixed := make([]byte, 64)
		r.FillBytes(fixed[:32])
		sigma.FillBytes(fixed[32:])
		return fixed, nil
	default:
		return nil, fmt.Errorf("a %T cannot sign", s.private)
	}
}

func signingInput(header, claims map[string]any) (string, error) {
	first, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	second, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return encode(first) + "." + encode(second), nil
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
